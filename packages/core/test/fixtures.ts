/** What the tests of this folder share: a clock, both ways to call a region, and backends that tell what they got. */

import '@stockpile/backend-lru';
import '@stockpile/backend-memory';
import '@stockpile/backend-memory-pickle';
import { MemoryBackend } from '@stockpile/backend-memory';
import {
  type Awaitable,
  CacheBackend,
  type CachedValue,
  type Capability,
  type Clock,
  type ConfigureOptions,
  createRegion,
  type Entry,
  type GetOptions,
  type GetOrCreateOptions,
  type IncrementOptions,
  type InvalidateOptions,
  type Items,
  type KeysOptions,
  type NO_VALUE,
  type NoValue,
  type Region,
  type RegionOptions,
  type SetOptions,
  StockpileError,
  type SyncCreator,
  type SyncMultiCreator,
} from '@stockpile/core';

/** Time passes where a test adds to `time`. */
export class TestClock implements Clock {
  time = 1_000_000;
  now(): number {
    return this.time;
  }
}

/** What `Region` and `region.sync` have in common. */
export interface Operations {
  get(key: string, options?: GetOptions): Awaitable<unknown>;
  getEntry(key: string, options?: GetOptions): Awaitable<Entry<unknown> | NoValue>;
  getMulti(keys: Iterable<string>, options?: GetOptions): Awaitable<unknown[]>;
  set(key: string, value: unknown, options?: SetOptions): Awaitable<void>;
  setMulti(items: Items<unknown>, options?: SetOptions): Awaitable<void>;
  delete(key: string): Awaitable<boolean>;
  deleteMulti(keys: Iterable<string>): Awaitable<number>;
  getOrCreate(key: string, creator: SyncCreator<unknown>, options?: GetOrCreateOptions): Awaitable<unknown>;
  getOrCreateMulti(
    keys: Iterable<string>,
    creator: SyncMultiCreator<unknown>,
    options?: GetOrCreateOptions,
  ): Awaitable<unknown[]>;
  invalidate(options?: InvalidateOptions): Awaitable<void>;
  keyIsLocked(key: string): Awaitable<boolean>;
  increment(key: string, by?: number, options?: IncrementOptions): Awaitable<number>;
  decrement(key: string, by?: number, options?: IncrementOptions): Awaitable<number>;
  keys(options?: KeysOptions): Iterable<string> | AsyncIterable<string>;
  entries(options?: KeysOptions): Iterable<[string, unknown]> | AsyncIterable<[string, unknown]>;
  size(): Awaitable<number>;
  clear(): Awaitable<void>;
}

export const FACES: readonly (readonly [face: string, of: (region: Region) => Operations])[] = [
  ['region', (region) => region],
  ['region.sync', (region) => region.sync],
];

export const BACKENDS = ['memory', 'memory-pickle', 'lru'] as const;
export type BackendName = (typeof BACKENDS)[number];

/** For `describe.each`: both faces over every backend. */
export const VARIANTS: readonly (readonly [string, BackendName, (region: Region) => Operations])[] = BACKENDS.flatMap(
  (backend) => FACES.map(([face, of]) => [face, backend, of] as const),
);

/** A region with a clock that stands still. */
export function regionOn(
  backend: string | object,
  options: ConfigureOptions = {},
  regionOptions: RegionOptions = {},
): { region: Region; clock: TestClock } {
  const clock = new TestClock();
  const region = createRegion({ name: 'test', clock, ...regionOptions }).configure(backend, options);
  return { region, clock };
}

/** What `work` throws or rejects with. */
export async function failureOf(work: () => unknown): Promise<StockpileError> {
  let outcome: unknown;
  try {
    outcome = await work();
  } catch (error) {
    if (error instanceof StockpileError) return error;
    throw error;
  }
  throw new Error(`nothing was thrown, the answer was ${String(outcome)}`);
}

/** All elements of an iterable of either kind. */
export async function all<T>(iterable: Iterable<T> | AsyncIterable<T>): Promise<T[]> {
  const elements: T[] = [];
  for await (const element of iterable) elements.push(element);
  return elements;
}

const CALLS = [
  'get',
  'getMulti',
  'set',
  'setMulti',
  'delete',
  'deleteMulti',
  'getMutex',
  'increment',
  'compareAndSet',
  'keys',
  'clear',
  'subscribe',
] as const;

export interface Recorded {
  readonly method: (typeof CALLS)[number];
  readonly args: readonly unknown[];
}

/** A memory backend and the calls that it got; what it calls of itself is left out. */
export function recorded(clock?: Clock): { backend: MemoryBackend; calls: Recorded[] } {
  const backend = new MemoryBackend({ clock });
  const calls: Recorded[] = [];
  let depth = 0;
  for (const method of CALLS) {
    const original = (backend[method] as (...args: unknown[]) => unknown).bind(backend);
    Object.defineProperty(backend, method, {
      value: (...args: unknown[]) => {
        if (depth === 0) calls.push({ method, args });
        depth++;
        try {
          return original(...args);
        } finally {
          depth--;
        }
      },
    });
  }
  return { backend, calls };
}

/** A driver with the three methods that one must have: asynchronous, no capabilities; `asked` counts its calls. */
export class BareBackend extends CacheBackend {
  readonly name = 'bare';
  readonly capabilities: ReadonlySet<Capability> = new Set<Capability>();
  readonly map = new Map<string, CachedValue>();
  asked = 0;

  override async get(key: string): Promise<CachedValue | typeof NO_VALUE> {
    this.asked++;
    return this.map.get(key) ?? (Symbol.for('stockpile.NO_VALUE') as typeof NO_VALUE);
  }

  override async set(key: string, item: CachedValue): Promise<boolean> {
    this.asked++;
    this.map.set(key, item);
    return true;
  }

  override async delete(key: string): Promise<boolean> {
    this.asked++;
    return this.map.delete(key);
  }
}
