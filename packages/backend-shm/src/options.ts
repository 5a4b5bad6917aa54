/** What the application may write, checked, and as the rest of the package works with it. */

import { statfsSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import {
  type BackendContext,
  type ByteSize,
  booleanOf,
  checkObject,
  type Duration,
  parseByteSize,
  parseDuration,
  refuseMisspelt,
  refuseUnknown,
  show,
  systemClock,
  ValidationError,
  wholeNumberOf,
} from '@stockpile/core';
import type { NearCacheSettings } from './near-cache.js';
import { DEFAULT_DIR } from './open-error.js';

/** How long a segment stays. */
export type SegmentLifetime = 'boot' | 'processes' | 'persistent';

/** What a segment is made with. Texts (`'64M'`, `'true'`, `'512'`) are read as the option's type. */
export interface SegmentOptions {
  /** 1 to 64 letters, digits, `.`, `_` and `-`, without a leading `.`. Default `'stockpile'`. */
  readonly name?: string | undefined;
  /**
   * Bytes of the whole segment, 1M to 1024G; all are taken when it is made. `'auto'`: 32M, or half of what the file
   * system has free if that is less. Default `'32M'`. Whoever attaches one that exists gets it as it is.
   */
  readonly size?: ByteSize | 'auto' | undefined;
  /** Absolute path of the directory in which `stockpile-<uid>` keeps the files, best a tmpfs. Default `/dev/shm`. */
  readonly dir?: string | undefined;
  /**
   * `'boot'` (default): until the machine restarts or `unlinkSegment` removes it. `'processes'`: until the last
   * process has closed it. `'persistent'`: as `'boot'`, and snapshots on disk are read again when it is made.
   */
  readonly lifetime?: SegmentLifetime | undefined;
  /** Absolute path for snapshots. Default `stockpile` in `$XDG_STATE_HOME` or `~/.local/state`. */
  readonly snapshotDir?: string | undefined;
  /** Time between snapshots, above 0; `Infinity`: only on `close`. Default `'1m'`. */
  readonly snapshotInterval?: Duration | undefined;
  /** Expected bytes of an entry and its key, 16 to 8,388,608: decides how many entries the index has room for. Default 512. */
  readonly meanItemBytes?: number | undefined;
  /** `'evict'` (default): make room. `'throw'`: nothing live is ever dropped, a write fails with `SegmentFullError`. */
  readonly whenFull?: 'evict' | 'throw' | undefined;
  /** A segment that exists with another size, lifetime or `whenFull` than given here is an error. Default: one process warning. */
  readonly strict?: boolean | undefined;
  /**
   * False: to look only. Where there is no segment none is made, and `open` throws `SegmentOpenError` with the code
   * `ERR_STOCKPILE_SHM_ABSENT`, as do operations after it was removed. Writes no snapshots. Default true.
   */
  readonly create?: boolean | undefined;
}

/** Decoded values kept in this process, next to the segment. */
export interface NearCacheOptions {
  /** Most values that are kept, 2 to 16,777,216. Default 1000. */
  readonly maxItems?: number | undefined;
  /**
   * Whether kept objects and arrays are frozen, all the way down. Default true: all readers get the same object, so
   * none may change it. Values with a Map, Set, Date, Buffer or another built-in that cannot be frozen are then not
   * kept, but decoded for each read. With false everything is kept, and no reader may change what it gets.
   */
  readonly freeze?: boolean | undefined;
}

/** The arguments of `configure('shm')`. */
export interface ShmArguments extends Omit<SegmentOptions, 'name' | 'create'> {
  /** The name of the segment; regions of all processes that name the same share it. As `name` of `SegmentOptions`. */
  readonly segment?: string | undefined;
  /** Most bytes of a stored value with its envelope of 14 bytes or more. Default: what the segment can take. */
  readonly maxValueBytes?: ByteSize | undefined;
  /** Keeps decoded values in this process and hands them out as long as nobody has changed the entry. Default false. */
  readonly nearCache?: boolean | NearCacheOptions | undefined;
}

/** `SegmentOptions`, checked. */
export interface SegmentSettings {
  readonly name: string;
  readonly directory: string;
  readonly bytes: number;
  /** Nobody has chosen the size. */
  readonly isAuto: boolean;
  readonly create: boolean;
  readonly meanItemBytes: number;
  readonly pinnedPercent: number;
  readonly lifetime: SegmentLifetime;
  readonly neverEvicts: boolean;
  readonly strict: boolean;
  /** What was asked for by name: only that is compared with a segment that exists. */
  readonly given: ReadonlySet<'size' | 'lifetime' | 'whenFull'>;
  /** With lifetime 'persistent', unless it is not to be made. */
  readonly snapshots: { readonly directory: string; readonly interval: number } | undefined;
}

const LIFETIMES = ['boot', 'processes', 'persistent'] as const;
const DEFAULT_BYTES = 32 * 2 ** 20;
const MIN_BYTES = 2 ** 20;
const MAX_BYTES = 2 ** 40;
const MOST_ITEMS = 2 ** 24;

const COMMON = [
  'size',
  'dir',
  'lifetime',
  'snapshotDir',
  'snapshotInterval',
  'meanItemBytes',
  'whenFull',
  'strict',
] as const satisfies readonly (keyof SegmentOptions & keyof ShmArguments)[];
const OPTIONS = ['name', ...COMMON, 'create'] as const satisfies readonly (keyof SegmentOptions)[];
const ARGUMENTS = [
  'segment',
  ...COMMON,
  'maxValueBytes',
  'nearCache',
] as const satisfies readonly (keyof ShmArguments)[];
const NEAR_CACHE = ['maxItems', 'freeze'] as const satisfies readonly (keyof NearCacheOptions)[];
/** What `Segment` calls it. Two applications would meet in the segment of the default name. */
const OTHER_NAMES = { name: 'segment' };

/** Of `Segment.open`. */
export function segmentOptions(options: SegmentOptions): SegmentSettings {
  checkObject(options, 'Segment.open', "{ name: 'app' }");
  if ('segment' in options) throw new ValidationError('Segment.open: there is no "segment"; is it \'name\'?');
  refuseUnknown(options, OPTIONS, 'Segment.open');
  return segmentSettings(options, 'name');
}

/** Throws a `ValidationError` that names the option, the value and what is allowed. */
function segmentSettings(options: SegmentOptions, nameOption: string): SegmentSettings {
  const { lifetime = 'boot', whenFull = 'evict', size } = options;
  if (!LIFETIMES.includes(lifetime)) {
    throw new ValidationError(`lifetime: must be 'boot', 'processes' or 'persistent', not ${show(lifetime)}`);
  }
  if (whenFull !== 'evict' && whenFull !== 'throw') {
    throw new ValidationError(`whenFull: must be 'evict' or 'throw', not ${show(whenFull)}`);
  }
  const dir = pathOf(options.dir ?? DEFAULT_DIR, 'dir');
  const create = booleanOf(options.create ?? true, 'create');
  const snapshots = snapshotsOf(options, lifetime);
  const given = (['size', 'lifetime', 'whenFull'] as const).filter((name) => options[name] !== undefined);
  return {
    name: nameOf(options.name, nameOption),
    directory: directoryIn(dir),
    bytes: sizeOf(size, dir),
    isAuto: size === 'auto',
    create,
    meanItemBytes: wholeNumberOf(options.meanItemBytes ?? 512, 'meanItemBytes', 16, 8 * 2 ** 20),
    pinnedPercent: 10,
    lifetime,
    neverEvicts: whenFull === 'throw',
    strict: booleanOf(options.strict ?? false, 'strict'),
    given: new Set(given.filter((name) => name !== 'size' || size !== 'auto')),
    snapshots: create ? snapshots : undefined,
  };
}

/** `ShmArguments`, checked. */
export interface ShmSettings {
  readonly segment: SegmentSettings;
  readonly maxValueBytes: number | undefined;
  readonly nearCache: NearCacheSettings | undefined;
}

export function shmSettings(args: ShmArguments, clock: BackendContext['clock']): ShmSettings {
  checkObject(args, "backend 'shm'", "{ segment: 'app' }");
  refuseMisspelt(args, [...ARGUMENTS, 'clock'], OTHER_NAMES, 'arguments');
  const { segment, maxValueBytes, nearCache = false } = args;
  // flat text makes a number of '42'
  const name = typeof segment === 'number' && Number.isSafeInteger(segment) ? String(segment) : segment;
  return {
    segment: segmentSettings({ ...args, name, create: true }, 'segment'),
    maxValueBytes: maxValueBytes === undefined ? undefined : parseByteSize(maxValueBytes, 'maxValueBytes'),
    nearCache: nearCacheSettings(nearCache, clock !== systemClock),
  };
}

function nearCacheSettings(given: boolean | NearCacheOptions, ownTime: boolean): NearCacheSettings | undefined {
  const isObject = typeof given === 'object' && given !== null && !Array.isArray(given);
  if (isObject) refuseUnknown(given, NEAR_CACHE, 'nearCache');
  else if (!booleanOf(given, 'nearCache', 'true, false or { maxItems, freeze }')) return undefined;
  const { maxItems = 1000, freeze = true }: NearCacheOptions = isObject ? given : {};
  return {
    maxItems: wholeNumberOf(maxItems, 'nearCache.maxItems', 2, MOST_ITEMS),
    freeze: booleanOf(freeze, 'nearCache.freeze'),
    ownTime,
  };
}

/** The directory that this user's segments in `dir` are kept in. */
export function directoryIn(dir: string): string {
  return join(dir, `stockpile-${process.geteuid?.() ?? 0}`);
}

export function nameOf(name: unknown = 'stockpile', option = 'name'): string {
  if (typeof name === 'string' && /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/.test(name)) return name;
  throw new ValidationError(
    `${option}: ${show(name)} is no name of a segment; use 1 to 64 letters, digits, '.', '_' and '-', without a leading '.'`,
  );
}

export function pathOf(path: unknown, option: string): string {
  if (typeof path === 'string' && isAbsolute(path) && !path.includes('\0')) return path;
  throw new ValidationError(`${option}: must be an absolute path, not ${show(path)}`);
}

function sizeOf(size: SegmentOptions['size'], dir: string): number {
  if (size === undefined) return DEFAULT_BYTES;
  if (size === 'auto') return Math.max(MIN_BYTES, Math.min(DEFAULT_BYTES, Math.floor(freeBytes(dir) / 2)));
  const bytes = parseByteSize(size, 'size');
  if (bytes >= MIN_BYTES && bytes <= MAX_BYTES) return bytes;
  throw new ValidationError(`size: a segment has 1M to 1024G, not ${show(size)}`);
}

function freeBytes(dir: string): number {
  try {
    const { bavail, bsize } = statfsSync(dir);
    return bavail * bsize;
  } catch {
    return Infinity; // the open will say what is wrong with the directory
  }
}

function snapshotsOf(options: SegmentOptions, lifetime: SegmentLifetime): SegmentSettings['snapshots'] {
  const { snapshotDir, snapshotInterval = '1m' } = options;
  if (lifetime !== 'persistent') {
    for (const option of ['snapshotDir', 'snapshotInterval'] as const) {
      if (options[option] === undefined) continue;
      throw new ValidationError(`${option}: is for lifetime 'persistent', not '${lifetime}', which has no snapshots`);
    }
    return undefined;
  }
  const state = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state');
  const interval = parseDuration(snapshotInterval, 'snapshotInterval');
  if (interval === 0) throw new ValidationError('snapshotInterval: must be above 0; Infinity writes only on close');
  return { directory: pathOf(snapshotDir ?? join(state, 'stockpile'), 'snapshotDir'), interval };
}
