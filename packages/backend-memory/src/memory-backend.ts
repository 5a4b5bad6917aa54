/** `memory`: a Map of values in this process, by reference. */

import { types } from 'node:util';
import {
  add,
  CacheBackend,
  type CachedValue,
  type Capability,
  type Clock,
  cloneValue,
  ExpiringMap,
  ExpiringValue,
  type KeyEvent,
  KeyEvents,
  NO_VALUE,
  type NoValue,
  show,
  systemClock,
  ValidationError,
  type WriteOptions,
} from '@stockpile/core';

export interface MemoryArguments {
  /**
   * Your own Map as the storage: entries appear in it under the stored key (namespace included), as
   * `{ value, metadata }`. Entries that you put there yourself never end. Default: a Map of this backend.
   */
  readonly cacheMap?: Map<string, CachedValue> | undefined;
  /**
   * Whether values are copied when they are stored and when they are read. Default false: a hit hands out the stored
   * object itself, so whoever changes it changes it for everybody, and any value can be stored. With true, the value
   * must have a serialised form (else `SerializationError`), and a hit costs a copy.
   */
  readonly clone?: boolean | undefined;
}

export interface MemoryOptions extends MemoryArguments {
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/**
 * Keeps values in a Map of this process. There is no bound (see `lru`), but what has passed its ttl is freed although
 * nobody reads it: each write looks at the next few entries, and while there are entries with a ttl, an unref'd timer
 * goes through all of them in slices of 1000. It never keeps the process alive, nor a backend that nobody uses any
 * more; `close` stops it.
 * @example
 * createRegion().configure('memory', { expirationTime: '10m', arguments: { clone: true } });
 * @throws ValidationError for arguments of a wrong type.
 */
export class MemoryBackend extends CacheBackend {
  readonly name = 'memory';
  readonly capabilities: ReadonlySet<Capability> = new Set<Capability>([
    'sync',
    'ttl',
    'counters',
    'compareAndSet',
    'enumerate',
    'clear',
    'events',
  ]);
  readonly #entries: ExpiringMap<ExpiringValue>;
  readonly #clone: boolean;
  readonly #events = new KeyEvents();

  constructor({ cacheMap, clone = false, clock = systemClock }: MemoryOptions = {}) {
    super();
    if (cacheMap !== undefined && !types.isMap(cacheMap)) {
      throw new ValidationError(`memory: cacheMap must be a Map, not ${show(cacheMap)}; leave it out for a new one`);
    }
    if (typeof clone !== 'boolean') {
      throw new ValidationError(`memory: clone must be true or false, not ${show(clone)}`);
    }
    this.#entries = new ExpiringMap(clock, cacheMap as Map<string, ExpiringValue> | undefined);
    this.#clone = clone;
  }

  override get(key: string, now?: number): CachedValue | NoValue {
    const entry = this.#entries.get(key, now);
    if (entry === undefined) return NO_VALUE;
    return this.#clone ? { value: cloneValue(entry.value, 'memory'), metadata: entry.metadata } : entry;
  }

  override getMulti(keys: readonly string[], now?: number): (CachedValue | NoValue)[] {
    return keys.map((key) => this.get(key, now));
  }

  override set(key: string, item: CachedValue, { ttl }: WriteOptions): boolean {
    return this.#store(key, item, this.#entries.deadline(ttl));
  }

  override delete(key: string): boolean {
    const deleted = this.#entries.delete(key);
    if (deleted) this.#events.emit('delete', key);
    return deleted;
  }

  override increment(key: string, by: number, initial: CachedValue, { ttl }: WriteOptions): number {
    const entry = this.#entries.get(key);
    const next = entry === undefined ? initial : add(entry, by);
    this.#store(key, next, entry === undefined ? this.#entries.deadline(ttl) : entry.deadline);
    return next.value as number;
  }

  /** The identity of the metadata is the version: it survives a copy of the value. */
  override compareAndSet(
    key: string,
    expected: CachedValue | NoValue,
    item: CachedValue,
    { ttl }: { readonly ttl: number | undefined },
  ): boolean {
    const entry = this.#entries.get(key);
    if (entry?.metadata !== (expected === NO_VALUE ? undefined : expected.metadata)) return false;
    return this.#store(key, item, ttl === undefined ? (entry?.deadline ?? Infinity) : this.#entries.deadline(ttl));
  }

  override keys(prefix: string): Iterable<string> {
    return this.#entries.keys(prefix);
  }

  override clear(prefix: string): void {
    this.#entries.clear(prefix);
    this.#events.emitClear(prefix);
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    return this.#events.subscribe(prefix, listener);
  }

  override close(): void {
    this.#entries.close();
  }

  #store(key: string, { value, metadata }: CachedValue, deadline: number): true {
    this.#entries.set(key, new ExpiringValue(this.#clone ? cloneValue(value, 'memory') : value, metadata, deadline));
    this.#events.emit('set', key);
    return true;
  }
}
