/** A backend of values over one of bytes, so that proxies and regions see `CachedValue` objects everywhere. */

import { type Awaitable, attempt, chain } from './awaitable.js';
import {
  type BytesBackend,
  CacheBackend,
  type Capability,
  type DecodedCache,
  type MultiWriteOptions,
  type WriteOptions,
} from './backend.js';
import { add, type CachedValue, NO_VALUE, type NoValue } from './cached-value.js';
import type { ServerState } from './circuit-breaker.js';
import { show } from './duration.js';
import { DecodedValue, decode, encode, encodeCounter } from './envelope.js';
import { missingCapability, SerializationError, StockpileError, ValidationError } from './errors.js';
import type { RegionInvalidator } from './invalidation.js';
import type { KeyEvent } from './key-events.js';
import { eachKey, Failures } from './multi.js';
import type { CacheMutex } from './mutex.js';
import type { Serializer } from './serializer.js';

export class SerializingBackend extends CacheBackend {
  readonly name: string;
  readonly capabilities: ReadonlySet<Capability>;
  override readonly keyMangler: BytesBackend['keyMangler'];
  readonly #decodedCache: DecodedCache | undefined;
  /** The driver adds in place, to entries of the counter form. */
  readonly #countsInPlace: boolean;

  /** `onUnreadable` hears of entries that could not be decoded; they count as absent. */
  constructor(
    readonly bytesBackend: BytesBackend,
    private readonly serializer: Serializer,
    private readonly onUnreadable: (key: string, error: unknown) => void = () => {},
  ) {
    super();
    this.name = bytesBackend.name;
    this.keyMangler = bytesBackend.keyMangler;
    this.#decodedCache = bytesBackend.decodedCache;
    const { capabilities } = bytesBackend;
    this.#countsInPlace = capabilities.has('counters');
    // a counter needs no method of its own where an entry can be compared and set
    this.capabilities = capabilities.has('compareAndSet') ? new Set([...capabilities, 'counters']) : capabilities;
  }

  override get(key: string, now?: number): Awaitable<CachedValue | NoValue> {
    const cache = this.#decodedCache;
    if (cache !== undefined) {
      const kept = cache.get(key, now);
      if (kept !== undefined) return kept;
    }
    const found = this.bytesBackend.get(key, now);
    if (found instanceof Uint8Array) {
      const item = this.#decode(key, found);
      if (cache !== undefined && item !== NO_VALUE) cache.keep(key, item);
      return item;
    }
    return chain(found, (bytes) => (bytes === NO_VALUE ? bytes : this.#decode(key, bytes)));
  }

  override getMulti(keys: readonly string[], now?: number): Awaitable<(CachedValue | NoValue)[]> {
    if (this.#decodedCache !== undefined) return eachKey(keys, (key) => this.get(key, now));
    const decodeAll = (all: readonly unknown[]): (CachedValue | NoValue)[] =>
      all.map((bytes, i) => (bytes instanceof Uint8Array ? this.#decode(keys[i] as string, bytes) : NO_VALUE));
    const answer = attempt(
      () => this.bytesBackend.getMulti(keys, now),
      (error) => {
        if (error instanceof StockpileError && error.found) error.found = decodeAll(error.found);
        throw error;
      },
    );
    return chain(answer, decodeAll);
  }

  override set(key: string, item: CachedValue, options: WriteOptions): Awaitable<boolean> {
    return this.bytesBackend.set(key, this.#encode(key, item), options);
  }

  override setMulti(items: ReadonlyMap<string, CachedValue>, options: MultiWriteOptions): Awaitable<readonly string[]> {
    const failures = new Failures();
    const encoded = new Map<string, Uint8Array>();
    for (const [key, item] of items) {
      attempt(() => void encoded.set(key, this.#encode(key, item)), failures.noting(key));
    }
    const stored =
      encoded.size === 0
        ? []
        : attempt(() => this.bytesBackend.setMulti(encoded, options), failures.noting(...encoded.keys()));
    return chain(stored, (lost) => {
      failures.throwIfAny();
      return lost ?? [];
    });
  }

  override delete(key: string): Awaitable<boolean> {
    return this.bytesBackend.delete(key);
  }

  override deleteMulti(keys: readonly string[]): Awaitable<number> {
    return this.bytesBackend.deleteMulti(keys);
  }

  override getMutex(key: string): CacheMutex | undefined {
    return this.bytesBackend.getMutex(key);
  }

  override increment(key: string, by: number, initial: CachedValue, options: WriteOptions): Awaitable<number> {
    if (this.#countsInPlace) {
      return chain(this.bytesBackend.increment(key, by, encodeCounter(initial), options), (sum) =>
        Number.isNaN(sum) ? this.#add(key, by, initial, options) : sum,
      );
    }
    if (!this.capabilities.has('counters')) throw missingCapability(this.name, 'counters');
    return this.#add(key, by, initial, options);
  }

  /** By compareAndSet: where the driver cannot count, or has found an entry to which it cannot add. */
  #add(key: string, by: number, initial: CachedValue, options: WriteOptions): Awaitable<number> {
    return chain(this.bytesBackend.get(key), (bytes) => {
      // an unreadable entry counts as absent, but it is its bytes that are replaced
      const current = bytes === NO_VALUE ? bytes : this.#decode(key, bytes);
      const next = current === NO_VALUE ? initial : add(current, by);
      if (!this.bytesBackend.capabilities.has('compareAndSet')) {
        if (bytes !== NO_VALUE) throw cannotConvert(this.name);
        return this.increment(key, by, initial, options); // it has gone since the driver looked
      }
      const ttl = current === NO_VALUE ? options.ttl : undefined;
      const made = this.#countsInPlace ? encodeCounter(next) : this.#encode(key, next);
      return chain(this.bytesBackend.compareAndSet(key, bytes, made, { ttl }), (stored) =>
        stored ? (next.value as number) : this.increment(key, by, initial, options),
      );
    });
  }

  override compareAndSet(
    key: string,
    expected: CachedValue | NoValue,
    item: CachedValue,
    options: { readonly ttl: number | undefined },
  ): Awaitable<boolean> {
    if (expected !== NO_VALUE && !(expected instanceof DecodedValue)) return false;
    const old = expected === NO_VALUE ? expected : expected.bytes;
    return this.bytesBackend.compareAndSet(key, old, this.#encode(key, item), options);
  }

  override keys(prefix: string): Iterable<string> | AsyncIterable<string> {
    return this.bytesBackend.keys(prefix);
  }

  override clear(prefix: string): Awaitable<void> {
    return this.bytesBackend.clear(prefix);
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    return this.bytesBackend.subscribe(prefix, listener);
  }

  override createInvalidator(prefix: string): RegionInvalidator | undefined {
    return this.bytesBackend.createInvalidator?.(prefix);
  }

  override servers(): readonly ServerState[] {
    return this.bytesBackend.servers?.() ?? [];
  }

  override close(): Awaitable<void> {
    return this.bytesBackend.close();
  }

  #encode(key: string, item: CachedValue): Uint8Array {
    try {
      return encode(item, this.serializer);
    } catch (cause) {
      if (cause instanceof StockpileError) cause.message = `key ${show(key)}: ${cause.message}`;
      if (cause instanceof SerializationError) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new SerializationError(`key ${show(key)}: the value cannot be serialised: ${reason}`, { cause });
    }
  }

  #decode(key: string, bytes: Uint8Array): CachedValue | NoValue {
    try {
      return decode(bytes, this.serializer);
    } catch (error) {
      this.onUnreadable(key, error);
      return NO_VALUE;
    }
  }
}

function cannotConvert(backend: string): ValidationError {
  return new ValidationError(
    `increment: the entry was not made by increment, and backend '${backend}' can add to no other (it has no 'compareAndSet'); delete it first, then count with increment alone`,
  );
}
