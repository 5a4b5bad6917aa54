/** `keyv`: a store of Keyv as a backend. */

import {
  type Awaitable,
  BytesBackend,
  type Capability,
  type MultiWriteOptions,
  missingCapability,
  type NoValue,
  type ServerState,
  type WriteOptions,
} from '@stockpile/core';
import { MapStore } from './map-store.js';
import { openStore } from './open-store.js';
import { type KeyvOptions, keyvSettings } from './options.js';
import type { RemoteStore } from './remote-store.js';

/**
 * Keeps serialised values in a Keyv 5 or 6 instance, a storage adapter or a Map. Every call settles within `timeout`,
 * with `BackendTimeoutError` or `BackendUnavailableError` where the store hangs, rejects, emits an error meanwhile or
 * answers `false`, though Keyv would have answered as for a miss. Keys begin with `~` in the store. Locks are of this
 * process. Over a Map, also over one inside a Keyv without hooks, statistics, compression or a serialiser of its own,
 * it is synchronous: entries are written into the Map in Keyv's form.
 *
 * `capabilities` are those of the store: `ttl`; `enumerate` and `clear` where it has an iterator (`clear` also where it
 * is `exclusive`); `sync` over a Map.
 * @example
 * createRegion({ name: 'users' }).configure('keyv', { arguments: { store: new Keyv(new KeyvSqlite(uri)) } });
 * @throws ValidationError for a store that is none, and for one whose failures nobody could see.
 */
export class KeyvBackend extends BytesBackend {
  readonly name = 'keyv';
  readonly capabilities: ReadonlySet<Capability>;
  readonly #store: MapStore | RemoteStore;

  constructor(options: KeyvOptions) {
    super();
    const store = openStore(keyvSettings(options));
    this.#store = store;
    if (store instanceof MapStore) this.capabilities = new Set<Capability>(['sync', 'ttl', 'enumerate', 'clear']);
    else {
      const capabilities = new Set<Capability>(['ttl']);
      if (store.canList) capabilities.add('enumerate');
      if (store.canClear) capabilities.add('clear');
      this.capabilities = capabilities;
    }
  }

  override get(key: string, now?: number): Awaitable<Uint8Array | NoValue> {
    return this.#store.get(key, now);
  }

  override getMulti(keys: readonly string[], now?: number): Awaitable<(Uint8Array | NoValue)[]> {
    const store = this.#store;
    if (store instanceof MapStore) return keys.map((key) => store.get(key, now));
    const { getMany } = store.access;
    return getMany === undefined || keys.length === 0 ? super.getMulti(keys) : store.getMany(keys, getMany);
  }

  override set(key: string, bytes: Uint8Array, { ttl }: WriteOptions): Awaitable<boolean> {
    return this.#store.set(key, bytes, ttl);
  }

  override setMulti(items: ReadonlyMap<string, Uint8Array>, options: MultiWriteOptions): Awaitable<readonly string[]> {
    const store = this.#store;
    const setMany = store instanceof MapStore ? undefined : store.access.setMany;
    if (store instanceof MapStore || setMany === undefined) return super.setMulti(items, options);
    return store.setMany(items, options.ttl, setMany);
  }

  override delete(key: string): Awaitable<boolean> {
    return this.#store.delete(key);
  }

  override deleteMulti(keys: readonly string[]): Awaitable<number> {
    const store = this.#store;
    const deleteMany = store instanceof MapStore ? undefined : store.access.deleteMany;
    if (store instanceof MapStore || deleteMany === undefined || keys.length === 0) return super.deleteMulti(keys);
    return store.deleteMany(keys, deleteMany);
  }

  override keys(prefix: string): Iterable<string> | AsyncIterable<string> {
    if (!this.capabilities.has('enumerate')) throw missingCapability(this.name, 'enumerate');
    return this.#store.keys(prefix);
  }

  override clear(prefix: string): Awaitable<void> {
    if (!this.capabilities.has('clear')) throw missingCapability(this.name, 'clear');
    return this.#store.clear(prefix);
  }

  /** One, named by the class of the store; none over a Map. */
  override servers(): readonly ServerState[] {
    return this.#store instanceof MapStore ? [] : [this.#store.state];
  }

  /** Ends what runs and refuses what comes. The store is the application's, and stays connected. */
  override close(): Awaitable<void> {
    return this.#store.close();
  }
}
