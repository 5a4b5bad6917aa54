/**
 * The driver contract, whole. A driver extends `CacheBackend` (it keeps values) or `BytesBackend` (it keeps bytes) and
 * overrides `get`, `set`, `delete` and what else it can do; `docs/write-a-backend.md` builds one, and
 * `@stockpile/testkit` checks it.
 *
 * The region has checked and completed every argument: keys are well-formed strings of 1 to 65,536 bytes, already
 * prefixed and mangled; ttls are ms above 0, or Infinity. Every method answers with a value or a promise. An outage is
 * never a miss: reject with `BackendUnavailableError`, `BackendTimeoutError` or an error of your own that extends
 * `StockpileError`, a new one each time. Whatever else a driver throws is reported as `BackendUnavailableError` with the
 * original as its cause.
 */

import { type Awaitable, chain } from './awaitable.js';
import type { CachedValue, NoValue } from './cached-value.js';
import type { ServerState } from './circuit-breaker.js';
import { missingCapability } from './errors.js';
import type { RegionInvalidator } from './invalidation.js';
import type { KeyMangler } from './key.js';
import type { KeyEvent } from './key-events.js';
import { eachKey } from './multi.js';
import type { CacheMutex } from './mutex.js';

/**
 * `sync`: every method answers without promises, a mutex too when it is not to wait. `ttl`: entries leave by themselves. `locks`: mutexes reach other
 * processes. The rest name the methods that the driver overrides: `counters` increment, `compareAndSet`,
 * `enumerate` keys, `clear`, `events` subscribe.
 */
export type Capability = 'sync' | 'ttl' | 'locks' | 'counters' | 'compareAndSet' | 'enumerate' | 'clear' | 'events';

export interface WriteOptions {
  /** ms from now until the entry is freed; above 0, Infinity: never. An overwrite replaces the old entry's. */
  readonly ttl: number;
  /** Given when a creator's value is stored. A driver with fenced locks stores only while it is still held. */
  readonly mutex?: CacheMutex | undefined;
}

export interface MultiWriteOptions {
  readonly ttl: number;
  /** By key, as in `WriteOptions`. */
  readonly mutexes?: ReadonlyMap<string, CacheMutex>;
}

/** `T` is what is stored: `CachedValue` or `Uint8Array`. */
export abstract class Backend<T> {
  /** As in `configure(name)`; for messages. */
  abstract readonly name: string;
  abstract readonly capabilities: ReadonlySet<Capability>;
  /** Fits whole stored keys into narrower limits. Keeps the namespace: what ends with the first ':'. */
  readonly keyMangler?: KeyMangler | undefined;

  /** The item, or `NO_VALUE` when absent or past its ttl. `now`: epoch ms if the region has just read the clock. */
  abstract get(key: string, now?: number): Awaitable<T | NoValue>;

  /**
   * Aligned with `keys`, which may repeat one. One round trip where the storage can. Where only some could be asked: an
   * error with their `keys`, and with `found`, the answers, aligned with the argument, for the others.
   */
  getMulti(keys: readonly string[], now?: number): Awaitable<(T | NoValue)[]> {
    return eachKey(keys, (key) => this.get(key, now));
  }

  /**
   * False: `options.mutex` was lost and nothing was stored. Without a mutex it is the user's own write, which, like
   * `delete`, frees the key's lock where locks are fenced. Too large: `ValueTooLargeError`, the old item stays.
   */
  abstract set(key: string, item: T, options: WriteOptions): Awaitable<boolean>;

  /** The keys that were not stored since their mutex was lost. One that fails does not keep the others from storing. */
  setMulti(items: ReadonlyMap<string, T>, { ttl, mutexes }: MultiWriteOptions): Awaitable<readonly string[]> {
    const keys = [...items.keys()];
    const stored = eachKey(keys, (key) => this.set(key, items.get(key) as T, { ttl, mutex: mutexes?.get(key) }));
    return chain(stored, (all) => keys.filter((_, i) => all[i] === false));
  }

  /** Whether it was there. Also frees the key's lock where locks are fenced, so that a running creator cannot store. */
  abstract delete(key: string): Awaitable<boolean>;

  /** How many were there. */
  deleteMulti(keys: readonly string[]): Awaitable<number> {
    return chain(
      eachKey(keys, (key) => this.delete(key)),
      (gone) => gone.filter(Boolean).length,
    );
  }

  /** A new mutex for `key`; `undefined`: the region uses a lock of this process. */
  getMutex(_key: string): CacheMutex | undefined {
    return undefined;
  }

  /**
   * Adds `by` (may be negative or fractional) atomically and answers with the sum. An absent entry becomes `initial`,
   * which already includes `by`; an existing one keeps its metadata and ttl. Not a number: `ValidationError`.
   *
   * Where bytes are stored, `initial` ends with its number, a float64 little-endian, and so must the entry: answer with
   * NaN, and leave the entry, where it does not have this form (`isCounterForm`). It is then converted by `compareAndSet`.
   */
  increment(_key: string, _by: number, _initial: T, _options: WriteOptions): Awaitable<number> {
    throw missingCapability(this.name, 'counters');
  }

  /**
   * Stores `item` if the entry still is `expected`, an item that `get` returned, or `NO_VALUE` for absent. A ttl of
   * `undefined` keeps the entry's.
   */
  compareAndSet(
    _key: string,
    _expected: T | NoValue,
    _item: T,
    _options: { readonly ttl: number | undefined },
  ): Awaitable<boolean> {
    throw missingCapability(this.name, 'compareAndSet');
  }

  /** Live keys that begin with `prefix`, each once, in no promised order; no snapshot. */
  keys(_prefix: string): Iterable<string> | AsyncIterable<string> {
    throw missingCapability(this.name, 'enumerate');
  }

  /** Removes the keys that begin with `prefix`, and only those. `''` is everything, and asked of `sync` drivers only. */
  clear(_prefix: string): Awaitable<void> {
    throw missingCapability(this.name, 'clear');
  }

  /**
   * Hears of sets, deletes (of what was there) and clears of keys that begin with `prefix`, in order per key; not of
   * expiry and eviction. Losses are announced by `overflow`.
   */
  subscribe(_prefix: string, _listener: (event: KeyEvent) => void): Disposable {
    throw missingCapability(this.name, 'events');
  }

  /**
   * Region-wide invalidation that all users of the storage see; `prefix` is the region's. Default: each region object
   * keeps its own times. Asked by `configure` unless the user gave a `regionInvalidator`. What it makes holds nothing
   * before `attach` and after `detach`; its `latest` and `check` never throw, also after `close`: creators may still run.
   */
  createInvalidator(_prefix: string): RegionInvalidator | undefined {
    return undefined;
  }

  /** The servers behind it, and whether they are up; none where nothing can be down. */
  servers(): readonly ServerState[] {
    return [];
  }

  /** Settles what runs and frees connections and timers that this driver opened. Idempotent. */
  close(): Awaitable<void> {}
}

/** A driver that keeps values: what goes in is what comes out. */
export abstract class CacheBackend extends Backend<CachedValue> {
  readonly stores = 'values';
}

/**
 * A driver that keeps bytes: the region wraps it in a `SerializingBackend`. The bytes of `set` are the driver's own from
 * then on; what `get` hands out is only read, and must not change later.
 */
export abstract class BytesBackend extends Backend<Uint8Array> {
  readonly stores = 'bytes';
  /** For drivers that answer without promises. Read once per region, by `configure`. */
  readonly decodedCache?: DecodedCache | undefined;
}

/**
 * Decoded values of which a driver can tell, without decoding, that they are still what is stored. All readers get the
 * same object: keep only what none of them can change.
 */
export interface DecodedCache {
  /** The item kept for `key` if it is still what `get` would answer with. */
  get(key: string, now: number | undefined): CachedValue | undefined;
  /**
   * Called right after this driver's synchronous `get(key)` answered with bytes that were decoded to `item`; only the
   * serializer ran in between. Keep `item` itself: `compareAndSet` knows it again.
   */
  keep(key: string, item: CachedValue): void;
}
