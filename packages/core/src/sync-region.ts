/** `region.sync`: the region's operations without promises, for backends that answer at once. */

import type { NoValue } from './cached-value.js';
import { settled } from './guarded-backend.js';
import type { InvalidateOptions } from './invalidation.js';
import { entriesOfSync, type KeysOptions, keysOfSync } from './key-watch.js';
import * as operations from './operations.js';
import type { Entry, GetOptions, GetOrCreateOptions, SetOptions } from './options.js';
import { readThroughMultiSync, readThroughSync, type SyncCreator, type SyncMultiCreator } from './read-through-sync.js';
import type { RegionCore } from './region-core.js';

/** Each method as in `Region`; it throws what the other rejects with, and never blocks the event loop. */
export class SyncRegion<V = unknown> {
  readonly #core: () => RegionCore;

  constructor(core: () => RegionCore) {
    this.#core = core;
  }

  get(key: string, options?: GetOptions): V | NoValue {
    return operations.getSync(this.#core(), key, options) as V | NoValue;
  }

  getEntry(key: string, options?: GetOptions): Entry<V> | NoValue {
    return settled(operations.getEntry(this.#core(), key, options)) as Entry<V> | NoValue;
  }

  getMulti(keys: Iterable<string>, options?: GetOptions): (V | NoValue)[] {
    return settled(operations.getMulti(this.#core(), keys, options)) as (V | NoValue)[];
  }

  set(key: string, value: V, options?: SetOptions): void {
    settled(operations.set(this.#core(), key, value, options));
  }

  setMulti(items: operations.Items<V>, options?: SetOptions): void {
    settled(operations.setMulti(this.#core(), items, options));
  }

  delete(key: string): boolean {
    return settled(operations.remove(this.#core(), key));
  }

  deleteMulti(keys: Iterable<string>): number {
    return settled(operations.removeMulti(this.#core(), keys));
  }

  /**
   * Where somebody else creates: the stale value if there is one, else what the creator returns, not stored.
   * @throws ValidationError for a creator that returns a promise; LockTimeoutError with `onLockTimeout: 'throw'`.
   */
  getOrCreate(key: string, creator: SyncCreator<V>, options?: GetOrCreateOptions<V>): V {
    return readThroughSync(this.#core(), key, creator as SyncCreator<unknown>, options as GetOrCreateOptions) as V;
  }

  getOrCreateMulti(keys: Iterable<string>, creator: SyncMultiCreator<V>, options?: GetOrCreateOptions<V>): V[] {
    const asked = operations.checkKeys(keys);
    return readThroughMultiSync(
      this.#core(),
      asked,
      creator as SyncMultiCreator<unknown>,
      options as GetOrCreateOptions,
    ) as V[];
  }

  invalidate(options?: InvalidateOptions): void {
    settled(operations.invalidate(this.#core(), options));
  }

  keyIsLocked(key: string): boolean {
    return settled(operations.keyIsLocked(this.#core(), key));
  }

  increment(key: string, by = 1, options?: operations.IncrementOptions): number {
    return settled(operations.increment(this.#core(), key, by, options));
  }

  decrement(key: string, by = 1, options?: operations.IncrementOptions): number {
    return settled(operations.increment(this.#core(), key, -by, options));
  }

  keys(options?: KeysOptions): IterableIterator<string> {
    return keysOfSync(this.#core(), options);
  }

  entries(options?: KeysOptions): IterableIterator<[string, V]> {
    return entriesOfSync(this.#core(), options) as IterableIterator<[string, V]>;
  }

  size(): number {
    let count = 0;
    for (const _ of keysOfSync(this.#core())) count++;
    return count;
  }

  clear(): void {
    settled(operations.clear(this.#core()));
  }
}
