/** A process with a region and a segment, which does what the experiment asks of it, one call at a time. */

import { Segment, type SegmentOptions, type ShmArguments } from '@stockpile/backend-shm';
import { createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { checkedValue, isIntact } from './checked-value.js';
import { serve, tell } from './serve.js';

let region: Region = createRegion();
let segment: Segment | undefined;
let release = (): void => {};
const fences = new Map<string, number>();

process.on('warning', ({ name, message }) => tell('warning', { name, message }));

function seg(): Segment {
  if (segment === undefined) throw new Error('openSegment first');
  return segment;
}

function timed<T>(work: () => T): { ms: number; value?: T; code?: string; message?: string } {
  const began = process.hrtime.bigint();
  const ms = (): number => Number(process.hrtime.bigint() - began) / 1e6;
  try {
    const value = work();
    return { ms: ms(), value };
  } catch (error) {
    const { code = 'none', message } = error as Error & { code?: string };
    return { ms: ms(), code, message };
  }
}

const plain = (value: unknown): unknown => (value === NO_VALUE ? undefined : value);

serve({
  /** The region named `lab`. */
  open(args: ShmArguments, configuration: object = {}) {
    region = createRegion({ name: 'lab' }).configure('shm', { ...configuration, arguments: args });
  },
  openSegment(options: SegmentOptions) {
    segment = Segment.open(options);
    return segment.created;
  },
  closeSegment: () => segment?.close(),
  close: () => region.close(),
  /** Ends by itself, with nothing closed. */
  leave: () => setImmediate(() => process.disconnect()),
  pid: () => process.pid,
  exit: (code: number) => setImmediate(() => process.exit(code)),
  region: async (method: keyof Region, ...args: never[]) =>
    plain(await (region[method] as (...args: never[]) => unknown)(...args)),
  sync: (method: keyof Region['sync'], ...args: never[]) =>
    plain((region.sync[method] as (...args: never[]) => unknown)(...args)),
  segment: (method: 'get' | 'set' | 'has' | 'increment' | 'delete', ...args: never[]) =>
    (seg()[method] as (...args: never[]) => unknown)(...args),
  stats: () => seg().stats(),
  /** Each of these operations on the segment with its duration. */
  timed: (method: 'get' | 'set', keys: string[], value: string) =>
    keys.map((key) => timed(() => (method === 'get' ? seg().get(key) : seg().set(key, value)))),
  lock(key: string, wait = 0) {
    const fence = seg().lock(key, { wait });
    if (fence !== undefined) fences.set(key, fence);
    return fence !== undefined;
  },
  unlock: (key: string) => seg().unlock(key, fences.get(key) ?? 0),
  /** Its creator begins, and ends at `release`. */
  create: (key: string, value: unknown, options: object = {}) =>
    region.getOrCreate(
      key,
      () =>
        new Promise<unknown>((resolve) => {
          release = () => resolve(value);
          tell('began', { key });
        }),
      options,
    ),
  release: () => release(),
  /** Its creator takes no time. */
  quickly: (key: string, value: unknown, options: object = {}) => region.getOrCreate(key, () => value, options),
  /** `count` values of about `bytes` each, whose keys begin with `prefix`. */
  fill(prefix: string, count: number, bytes: number, options: object = {}) {
    for (let i = 0; i < count; i++) region.sync.set(`${prefix}${i}`, checkedValue(`${prefix}${i}`, i, bytes), options);
  },
  /** How many of them are there, and how many of those are not what was stored. */
  verify(prefix: string, count: number) {
    let [found, damaged] = [0, 0];
    for (let i = 0; i < count; i++) {
      const value = region.sync.get(`${prefix}${i}`);
      if (value === NO_VALUE) continue;
      found++;
      if (!isIntact(value, `${prefix}${i}`)) damaged++;
    }
    return { found, damaged };
  },
  subscribe: (key: string | null) => {
    region.subscribe(key, ({ type, key: of, local }) => tell('key', { type, key: of, local }));
  },
  /** With `--import shifted-clock.js`: sets the wall clock of this process by so many ms. */
  shift: (ms: number) => (globalThis as { shiftClock?: (ms: number) => void }).shiftClock?.(ms),
  /** Reads the keys again and again for `ms`, and says when each was seen last, in ms since the call. */
  async watch(keys: string[], ms: number) {
    const began = performance.now();
    const seen: Record<string, number> = {};
    while (performance.now() - began < ms) {
      for (const key of keys) if (region.sync.get(key) !== NO_VALUE) seen[key] = performance.now() - began;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return seen;
  },
});
