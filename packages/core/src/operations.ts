/** What a region does besides creating: each operation once, for `Region` and for `region.sync`. */

import { type Awaitable, chain, isPromise, lastly } from './awaitable.js';
import { type CachedValue, NO_VALUE, type NoValue } from './cached-value.js';
import { show } from './duration.js';
import { ValidationError } from './errors.js';
import { ageOf, expirationOf, type Freshness, isPlainlyFresh, judge, missReason } from './freshness.js';
import { settled } from './guarded-backend.js';
import type { InvalidateOptions } from './invalidation.js';
import { checkOptions, checkTags, type Entry, type GetOptions, optionalMs, type SetOptions } from './options.js';
import type { Found, RegionCore } from './region-core.js';

/** What `setMulti` takes. */
export type Items<V> = ReadonlyMap<string, V> | Iterable<readonly [string, V]> | Readonly<Record<string, V>>;

export function get(core: RegionCore, key: string, options?: GetOptions): Awaitable<unknown> {
  checkOptions(options);
  const expirationTime = options && optionalMs(options.expirationTime, 'expirationTime');
  const now = core.hitTime();
  const found = core.get(key, core.keys.stored(key), now);
  return isPromise(found)
    ? found.then((entry) => serve(core, key, entry, now, expirationTime, options?.ignoreExpiration))
    : serve(core, key, found, now, expirationTime, options?.ignoreExpiration);
}

/** `get` where the backend is synchronous: the shortest way to a hit. */
export function getSync(core: RegionCore, key: string, options?: GetOptions): unknown {
  if (options !== undefined) return settled(get(core, key, options));
  const now = core.hitTime();
  const entry = core.getSync(key, core.keys.stored(key), now);
  if (entry === NO_VALUE || !isPlainlyFresh(entry, now, core.policy)) return serve(core, key, settled(entry), now);
  core.stats.hit(key);
  return entry.value;
}

/** The value of a fresh entry; counted. */
function serve(
  core: RegionCore,
  key: string,
  entry: Found,
  now: number,
  expirationTime?: number,
  ignoreExpiration?: boolean,
): unknown {
  const plain = entry !== NO_VALUE && expirationTime === undefined && isPlainlyFresh(entry, now, core.policy);
  const state = plain ? 'fresh' : judge(entry, key, now, core.policy, expirationTime);
  if (entry === NO_VALUE || (state !== 'fresh' && !ignoreExpiration)) return missed(core, key, state);
  core.stats.hit(key);
  return entry.value;
}

function missed(core: RegionCore, key: string, state: Freshness): NoValue {
  core.stats.miss(key, missReason(state));
  return NO_VALUE;
}

export function getEntry(core: RegionCore, key: string, options: GetOptions = {}): Awaitable<Entry<unknown> | NoValue> {
  checkOptions(options);
  const given = optionalMs(options.expirationTime, 'expirationTime');
  const now = core.now();
  return chain(core.get(key, core.keys.stored(key), now), (entry) => {
    const state = judge(entry, key, now, core.policy, given);
    if (entry === NO_VALUE || (state !== 'fresh' && state !== 'stale' && !options.ignoreExpiration)) {
      return missed(core, key, state);
    }
    if (state === 'fresh') core.stats.hit(key);
    else core.stats.stale(key);
    const { value, metadata } = entry;
    const expirationTime = given ?? expirationOf(metadata, core.policy);
    const { createdAt, tags = [] } = metadata;
    const expiresAt = createdAt + expirationTime;
    return { value, createdAt, age: ageOf(metadata, now), stale: state !== 'fresh', expiresAt, expirationTime, tags };
  });
}

export function getMulti(core: RegionCore, keys: Iterable<string>, options: GetOptions = {}): Awaitable<unknown[]> {
  checkOptions(options);
  const expirationTime = optionalMs(options.expirationTime, 'expirationTime');
  const asked = checkKeys(keys);
  if (asked.length === 0) return [];
  const stored = asked.map((key) => core.keys.stored(key));
  const now = core.hitTime();
  const found = core.getMulti(asked, stored, now);
  const serveAll = (entries: readonly Found[]): unknown[] => {
    const values: unknown[] = [];
    for (let i = 0; i < asked.length; i++) {
      values.push(serve(core, asked[i] as string, entries[i] as Found, now, expirationTime, options.ignoreExpiration));
    }
    return values;
  };
  return isPromise(found) ? found.then(serveAll) : serveAll(found);
}

export function set(core: RegionCore, key: string, value: unknown, options: SetOptions = {}): Awaitable<void> {
  const stored = core.keys.stored(key);
  const item = core.itemOf(value, givenOf(options));
  return chain(
    chain(core.overtake(stored), () => core.set(key, stored, item)),
    () => {},
  );
}

export function setMulti(core: RegionCore, items: Items<unknown>, options: SetOptions = {}): Awaitable<void> {
  const given = givenOf(options);
  const byKey = new Map<string, CachedValue>();
  const names = new Map<string, string>();
  let createdAt: number | undefined;
  for (const pair of pairsOf(items)) {
    if (!Array.isArray(pair)) throw new ValidationError(`setMulti: ${show(pair)} is no pair of key and value`);
    const [key, value] = pair as readonly [string, unknown];
    const item = core.itemOf(value, given);
    createdAt ??= item.metadata.createdAt; // one date for all, one metadata object each
    names.set(core.keys.stored(key), key);
    byKey.set(core.keys.stored(key), { value, metadata: { ...item.metadata, createdAt } });
  }
  return chain(
    chain(overtakeEach(core, [...byKey.keys()]), () => core.setMulti([...names.values()], byKey)),
    () => {},
  );
}

export function remove(core: RegionCore, key: string): Awaitable<boolean> {
  const stored = core.keys.stored(key);
  return chain(core.overtake(stored), () => core.call('delete', key, () => core.backend.delete(stored)));
}

export function removeMulti(core: RegionCore, keys: Iterable<string>): Awaitable<number> {
  const asked = [...new Set(checkKeys(keys))];
  const stored = asked.map((key) => core.keys.stored(key));
  if (stored.length === 0) return 0;
  return chain(overtakeEach(core, stored), () =>
    core.callMulti('deleteMulti', asked, stored, () => core.backend.deleteMulti(stored)),
  );
}

export function invalidate(core: RegionCore, options: InvalidateOptions = {}): Awaitable<void> {
  checkOptions(options);
  // nothing misspelt may invalidate everything
  const given = Array.isArray(options) ? ['an array'] : Object.keys(options);
  const unknown = given.find((name) => name !== 'hard' && name !== 'tags');
  if (unknown !== undefined || ('tags' in options && options.tags === undefined)) {
    throw new ValidationError(
      `invalidate: takes { hard, tags: ['a', 'b'] }, not ${unknown ?? 'tags: undefined'}; for one key use delete(key)`,
    );
  }
  const { hard = true } = options;
  if (typeof hard !== 'boolean') throw new ValidationError(`invalidate: hard must be true or false, not ${show(hard)}`);
  const tags = checkTags(options.tags);
  if (options.tags !== undefined && tags === undefined) return; // the entries with one of no tags: none
  const at = core.timeline.invalidation(core.now());
  core.failures.clear();
  // which tags a running creation will carry is known at its end: then the invalidator decides whether it is stored
  if (tags === undefined) core.coordination.overtakeAll(core.keys.prefix, core.flights);
  else core.flights.detachAll();
  return core.call('invalidate', undefined, () => core.policy.invalidator.invalidate({ hard, tags, at }));
}

export function keyIsLocked(core: RegionCore, key: string): Awaitable<boolean> {
  const stored = core.keys.stored(key);
  return core.call('locked', key, () => core.mutex(stored).locked());
}

export interface IncrementOptions extends SetOptions {
  /** What an absent counter counts from. Default 0. */
  readonly initial?: number;
}

export function increment(
  core: RegionCore,
  key: string,
  by: number,
  options: IncrementOptions = {},
): Awaitable<number> {
  checkOptions(options);
  const { initial = 0 } = options;
  const backend = core.require('counters');
  for (const [name, number] of Object.entries({ by, initial })) {
    if (!Number.isFinite(number))
      throw new ValidationError(`increment: ${name} must be a finite number, not ${show(number)}`, { key });
  }
  const stored = core.keys.stored(key);
  const given = givenOf(options);
  const add = (): Awaitable<number> => {
    const item = core.itemOf(initial + by, given); // dated now, after what was learnt of invalidations
    // no grace: a counter is never served stale, it starts anew
    const ttl = expirationOf(item.metadata, core.policy);
    return ttl <= 0 ? initial + by : core.call('increment', key, () => backend.increment(stored, by, item, { ttl }));
  };
  return chain(core.overtake(stored), () =>
    chain(isOver(core, key, stored), (over) => (over ? startAnew(core, key, stored, add) : add())),
  );
}

/** Whether there is an entry that is not to be counted on: invalidated, or stale. */
function isOver(core: RegionCore, key: string, stored: string): Awaitable<boolean> {
  const now = core.now();
  return chain(core.get(key, stored, now), (entry) => {
    const state = judge(entry, key, now, core.policy, undefined);
    return state !== 'fresh' && state !== 'absent';
  });
}

/** One caller removes the old entry; under the mutex, so that nobody removes what another has counted since. */
function startAnew(core: RegionCore, key: string, stored: string, add: () => Awaitable<number>): Awaitable<number> {
  const restart = (): Awaitable<number> =>
    chain(isOver(core, key, stored), (over) =>
      over
        ? chain(
            core.call('delete', key, () => core.backend.delete(stored)),
            add,
          )
        : add(),
    );
  const mutex = core.mutex(stored);
  const wait = core.backend.capabilities.has('sync') ? 0 : core.plan.lockTimeout;
  return chain(
    core.call('lock', key, () => mutex.acquire({ wait: 0 })),
    (first) =>
      chain(first || wait === 0 ? first : core.acquire(mutex, key, wait), (ours) =>
        lastly(restart, () => ours && core.release(mutex, key)),
      ),
  );
}

export function clear(core: RegionCore): Awaitable<void> {
  const backend = core.require('clear');
  if (core.keys.prefix === '' && !backend.capabilities.has('sync')) {
    throw new ValidationError(
      `clear: region '${core.name}' has no namespace: it would empty the whole store of '${backend.name}'`,
    );
  }
  core.failures.clear();
  return chain(core.coordination.overtakeAll(core.keys.prefix), () =>
    core.call('clear', undefined, () => backend.clear(core.keys.prefix)),
  );
}

/** The region's own keys among the stored ones, those it keeps beside its entries left out. */
export function ownKey(core: RegionCore, stored: string, prefix: string): string | undefined {
  const key = core.keys.original(stored);
  return key.startsWith(prefix) && !core.keys.isReserved(stored) ? key : undefined;
}

function overtakeEach(core: RegionCore, stored: readonly string[]): Awaitable<unknown> {
  const landing = stored.map((key) => core.overtake(key)).filter(isPromise);
  return landing.length === 0 ? undefined : Promise.all(landing);
}

function givenOf(options: SetOptions): {
  expirationTime: number | undefined;
  tags: readonly string[] | undefined;
} {
  checkOptions(options);
  return { expirationTime: optionalMs(options.expirationTime, 'expirationTime'), tags: checkTags(options.tags) };
}

export function checkKeys(keys: Iterable<string>): string[] {
  if (typeof keys === 'object' && keys !== null && Symbol.iterator in keys) return [...keys];
  throw new ValidationError(`keys: must be an array or another iterable of strings, not ${show(keys)}`);
}

function pairsOf(items: Items<unknown>): Iterable<readonly [string, unknown]> {
  if (typeof items !== 'object' || items === null) {
    throw new ValidationError(`setMulti: takes a Map, pairs of key and value, or an object, not ${show(items)}`);
  }
  return Symbol.iterator in items ? (items as Iterable<readonly [string, unknown]>) : Object.entries(items);
}
