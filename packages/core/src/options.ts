/** The options of regions and calls, and their checked form. */

import type { ArgumentsOf } from './backend-arguments.js';
import type { Clock } from './clock.js';
import { refuseMisspelt } from './driver-arguments.js';
import { type Duration, parseDuration, show } from './duration.js';
import { ValidationError } from './errors.js';
import type { EarlyRefresh } from './freshness.js';
import type { FunctionKeyGenerator } from './function-key.js';
import type { RegionInvalidator } from './invalidation.js';
import type { KeyMangler } from './key.js';
import type { ProxyLike } from './proxy.js';
import type { Serializer } from './serializer.js';

/** `createRegion(options)`. */
export interface RegionOptions {
  /** For messages, stats and events. Default `'default'`. */
  readonly name?: string;
  /** What keeps this region's keys apart on a shared store. Default: the name; `''`: no prefix at all. */
  readonly namespace?: string;
  /** Turns keys into stored ones, in place of the backend's own mangler; `false`: no mangler at all. */
  readonly keyMangler?: KeyMangler | false;
  /** For backends that keep bytes. Default `structuredSerializer`. */
  readonly serializer?: Serializer;
  /** Builds the keys of cached functions. */
  readonly functionKeyGenerator?: FunctionKeyGenerator;
  /** Default: the system's. `Date` is one; tests hand in their own. */
  readonly clock?: Clock;
}

/** Options of getOrCreate and its kin; in `configure` they are the defaults of all calls. */
export interface CreateOptions<V = unknown> {
  /** Whether a created value is stored. Asked of created values only. Default: always. */
  readonly shouldCache?: (value: V, key: string) => boolean;
  /** A stale value while somebody creates: `'serve'` (default) it at once, or `'wait'` for the new one. */
  readonly stale?: 'serve' | 'wait';
  /**
   * Serve a stale value at once and create behind it, also for the caller that creates. A function receives the work,
   * for platforms with a `waitUntil`. Default false.
   */
  readonly background?: boolean | ((work: Promise<void>) => void);
  /**
   * When the creator fails, serve the stale value, and do not try again for 1 s, or for the duration given here.
   * Default false: the error reaches the caller.
   */
  readonly serveStaleOnError?: boolean | Duration;
  /** How long a creator's error is remembered: until then callers of this process get it at once. Default: not. */
  readonly errorTtl?: Duration;
  /** Renew hot entries shortly before they are stale, by XFetch with beta 1 or as given. Default false. */
  readonly earlyRefresh?: boolean | Partial<EarlyRefresh>;
  /** How long to wait for the mutex while somebody else creates. Default 30 s. */
  readonly lockTimeout?: Duration;
  /** Then: `'create'` (default) without storing, or `'throw'` a `LockTimeoutError`. */
  readonly onLockTimeout?: 'create' | 'throw';
  /** After this, `CreatorTimeoutError`, and the creator's signal is aborted. Default: none. */
  readonly creatorTimeout?: Duration;
}

/** What a single call of getOrCreate takes. */
export interface GetOrCreateOptions<V = unknown> extends CreateOptions<V> {
  /** Judges the entry in this call, and is stored with what it creates. Default: the entry's own, then the region's. */
  readonly expirationTime?: Duration;
  /** Stored with what this call creates. */
  readonly tags?: readonly string[];
  /** Ends this caller's wait; the creation goes on while somebody else waits for it. */
  readonly signal?: AbortSignal;
}

/** What a read takes. */
export interface GetOptions {
  /** Judges this read only. */
  readonly expirationTime?: Duration;
  /** Answer with whatever the backend still holds, however old or invalidated. Default false. */
  readonly ignoreExpiration?: boolean;
}

/** What a write takes. */
export interface SetOptions {
  /** Stored with the entry; default: the region's, as it is at each read. */
  readonly expirationTime?: Duration;
  /** For `invalidate({ tags })`. */
  readonly tags?: readonly string[];
}

/** `configure(backend, options)`. */
export interface ConfigureOptions<V = unknown, N extends string = string> extends CreateOptions<V> {
  /** Age at which entries are stale. Default Infinity. */
  readonly expirationTime?: Duration;
  /** How long past that age they are kept and may be served. Default: as long as the expiration time. */
  readonly grace?: Duration;
  /** The backend's own arguments. */
  readonly arguments?: ArgumentsOf<N>;
  /** Proxies around the backend, the first outermost: instances, or classes without constructor arguments. */
  readonly wrap?: readonly ProxyLike[];
  /** Default: times kept in this region object. `sharedInvalidator()` keeps them in the backend. */
  readonly regionInvalidator?: RegionInvalidator;
  /** Configure again, over another backend. Default false. */
  readonly replaceExistingBackend?: boolean;
  /** While the backend is down, getOrCreate serves from the creator. Default true; false: it rejects. */
  readonly failOpen?: boolean;
  /** The bound on every operation of the backend. Default 2 s. */
  readonly timeout?: Duration;
}

/** `getEntry`: a value with its state. */
export interface Entry<V> {
  readonly value: V;
  /** Epoch ms of the region's clock. */
  readonly createdAt: number;
  /** ms. */
  readonly age: number;
  /** Whether `get` would answer `NO_VALUE`. */
  readonly stale: boolean;
  /** Epoch ms at which it becomes stale; Infinity: never. */
  readonly expiresAt: number;
  /** ms, as it is in force for this read. */
  readonly expirationTime: number;
  readonly tags: readonly string[];
}

/** The checked form of `CreateOptions` and `GetOrCreateOptions`: durations in ms, defaults filled in. */
export interface Plan {
  /** The call's own, if given. */
  readonly expirationTime: number | undefined;
  readonly tags: readonly string[] | undefined;
  readonly shouldCache: ((value: never, key: string) => boolean) | undefined;
  readonly stale: 'serve' | 'wait';
  readonly background: boolean | ((work: Promise<void>) => void);
  /** ms; undefined: errors reach the caller. */
  readonly backOff: number | undefined;
  /** ms; 0: errors are not remembered. */
  readonly errorTtl: number;
  readonly earlyRefresh: EarlyRefresh | undefined;
  readonly lockTimeout: number;
  readonly onLockTimeout: 'create' | 'throw';
  readonly creatorTimeout: number;
  readonly signal: AbortSignal | undefined;
}

const DEFAULT_PLAN: Plan = {
  expirationTime: undefined,
  tags: undefined,
  shouldCache: undefined,
  stale: 'serve',
  background: false,
  backOff: undefined,
  errorTtl: 0,
  earlyRefresh: undefined,
  lockTimeout: 30_000,
  onLockTimeout: 'create',
  creatorTimeout: Infinity,
  signal: undefined,
};
const DEFAULT_BACK_OFF_MS = 1000;

/** The plan of a call: what it gives, over `defaults`. `V` is the region's business, not the plan's. */
export function planOf<V>(options: GetOrCreateOptions<V>, defaults: Plan = DEFAULT_PLAN): Plan {
  checkOptions(options);
  const { serveStaleOnError, earlyRefresh } = options;
  return {
    expirationTime: optionalMs(options.expirationTime, 'expirationTime'),
    tags: checkTags(options.tags),
    shouldCache: (checkFunction(options.shouldCache, 'shouldCache') as Plan['shouldCache']) ?? defaults.shouldCache,
    stale: oneOf(options.stale, 'stale', ['serve', 'wait']) ?? defaults.stale,
    // a call that wants to wait is not answered from behind by default
    background: backgroundOf(options.background) ?? (options.stale !== 'wait' && defaults.background),
    backOff: serveStaleOnError === undefined ? defaults.backOff : backOffOf(serveStaleOnError),
    errorTtl: optionalMs(options.errorTtl, 'errorTtl') ?? defaults.errorTtl,
    earlyRefresh: earlyRefresh === undefined ? defaults.earlyRefresh : earlyRefreshOf(earlyRefresh),
    lockTimeout: optionalMs(options.lockTimeout, 'lockTimeout') ?? defaults.lockTimeout,
    onLockTimeout: oneOf(options.onLockTimeout, 'onLockTimeout', ['create', 'throw']) ?? defaults.onLockTimeout,
    creatorTimeout: optionalMs(options.creatorTimeout, 'creatorTimeout') ?? defaults.creatorTimeout,
    signal: checkSignal(options.signal),
  };
}

const CONFIGURE_OPTIONS = Object.keys({
  expirationTime: 0,
  grace: 0,
  arguments: 0,
  wrap: 0,
  regionInvalidator: 0,
  replaceExistingBackend: 0,
  failOpen: 0,
  timeout: 0,
  shouldCache: 0,
  stale: 0,
  background: 0,
  serveStaleOnError: 0,
  errorTtl: 0,
  earlyRefresh: 0,
  lockTimeout: 0,
  onLockTimeout: 0,
  creatorTimeout: 0,
} satisfies Record<keyof ConfigureOptions, 0>);
/** What belongs to the backend. */
const ARGUMENTS = ['url', 'host', 'port', 'client', 'store', 'segment', 'size', 'maxItems', 'maxBytes'];
const ELSEWHERE = {
  ...Object.fromEntries(ARGUMENTS.map((name) => [name, `arguments: { ${name} }`])),
  args: 'arguments',
  namespace: 'createRegion({ namespace })',
  serializer: 'createRegion({ serializer })',
};
const REGION_OPTIONS = Object.keys({
  name: 0,
  namespace: 0,
  keyMangler: 0,
  serializer: 0,
  functionKeyGenerator: 0,
  clock: 0,
} satisfies Record<keyof RegionOptions, 0>);
const OF_CONFIGURE = Object.fromEntries(CONFIGURE_OPTIONS.map((name) => [name, `configure(…, { ${name} })`]));

/** Refuses names that can only be misspelt or misplaced: ignored, they would cache for ever, or elsewhere. */
export function checkConfigureNames(options: object): void {
  refuseMisspelt(options, CONFIGURE_OPTIONS, ELSEWHERE, 'configure');
}

export function checkRegionNames(options: object): void {
  refuseMisspelt(options, REGION_OPTIONS, OF_CONFIGURE, 'createRegion');
}

/** ms of an option that may be left out. `null` is not leaving it out. */
export function optionalMs(duration: Duration | undefined, name: string): number | undefined {
  return duration === undefined ? undefined : parseDuration(duration, name);
}

export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw new ValidationError(`signal: ${show(signal)} is no AbortSignal`);
}

/** Throws unless `value` is a function or left out. */
export function checkFunction<T>(value: T, name: string): T {
  if (value === undefined || typeof value === 'function') return value;
  throw new ValidationError(`${name}: must be a function, not ${show(value)}`);
}

/** Options are an object: a bare number, as other caches take for a ttl, would be ignored in silence. */
export function checkOptions(options: object | undefined): void {
  if (options === undefined) return;
  if (typeof options !== 'object' || options === null) {
    throw new ValidationError(`options: must be an object like { expirationTime: '10m' }, not ${show(options)}`);
  }
  const foreign = ['ttl', 'maxAge', 'expires', 'expiration', 'expirationtime'].find((name) => name in options);
  if (foreign !== undefined) {
    throw new ValidationError(`options: '${foreign}' is called 'expirationTime' here (plus 'grace')`);
  }
}

/** Texts like 'false' would count as true. */
export function checkBoolean(value: boolean, name: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new ValidationError(`${name}: must be true or false, not ${show(value)}`);
}

export function checkTags(tags: readonly string[] | undefined): readonly string[] | undefined {
  if (tags === undefined) return undefined;
  if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string' && tag.isWellFormed())) {
    throw new ValidationError(`tags: must be an array of well-formed strings, not ${show(tags)}`);
  }
  return tags.length === 0 ? undefined : [...tags];
}

function oneOf<T extends string>(value: T | undefined, name: string, allowed: readonly T[]): T | undefined {
  if (value === undefined || allowed.includes(value)) return value;
  throw new ValidationError(`${name}: ${show(value)} is not one of ${allowed.map((text) => `'${text}'`).join(', ')}`);
}

function backgroundOf(option: CreateOptions['background']): CreateOptions['background'] {
  if (option === undefined || typeof option === 'boolean' || typeof option === 'function') return option;
  throw new ValidationError(`background: must be true, false or a function that takes the work, not ${show(option)}`);
}

function backOffOf(option: boolean | Duration): number | undefined {
  if (option === false) return undefined;
  return option === true ? DEFAULT_BACK_OFF_MS : parseDuration(option, 'serveStaleOnError');
}

function earlyRefreshOf(option: boolean | Partial<EarlyRefresh>): EarlyRefresh | undefined {
  if (option === false) return undefined;
  if (option !== true && (typeof option !== 'object' || option === null)) {
    throw new ValidationError(`earlyRefresh: must be true, false or { beta }, not ${show(option)}`);
  }
  const { beta = 1, random = Math.random } = option === true ? {} : option;
  if (!(beta > 0)) throw new ValidationError(`earlyRefresh.beta: must be a number above 0, not ${show(beta)}`);
  return { beta, random };
}
