/** The way back: a region as a storage adapter of Keyv, and so of what is built on Keyv. */

import { EventEmitter } from 'node:events';
import { NO_VALUE, type Region, show, ValidationError } from '@stockpile/core';

export interface RegionStoreOptions {
  /**
   * Whether `keyv.disconnect()`, and `disconnect()` of a cache-manager, closes the region. Default false: the
   * application made it, and may use it otherwise.
   */
  readonly closeOnDisconnect?: boolean | undefined;
}

/** What Keyv 5 hands to `setMany`, and Keyv 6 through its bridge. */
interface KeyvItem {
  readonly key: string;
  readonly value: unknown;
  /** ms. */
  readonly ttl?: number | undefined;
}

/** Keys that `clear` removes at once. */
const PAGE = 500;

/**
 * A storage adapter over a region, for Keyv 5 and 6 and for cache-manager 7: one per Keyv, since Keyv 5 writes its
 * namespace into it. Entries are the region's own: its statistics, invalidation, proxies and outage rules apply. A ttl
 * is the entry's expirationTime; without one the region's counts. A ttl bounds what is handed out; give the region
 * `grace: 0`, so that nothing is kept longer: nobody is ever served a stale value through Keyv.
 * @example
 * const region = createRegion({ name: 'sessions' }).configure('redis', { grace: 0, arguments: { url } });
 * const keyv = new Keyv({ store: regionStore(region) });
 * @throws ValidationError for what is no region.
 */
export function regionStore(region: Region<unknown>, options: RegionStoreOptions = {}): RegionStore {
  return new RegionStore(region, options);
}

/**
 * See `regionStore`. Methods reject with the region's errors; what Keyv makes of that is for Keyv to decide. They are
 * declared `async`, by which Keyv 6 tells an adapter from a Map. There is no `hasMany` on purpose: with it Keyv 6 would
 * leave prefixing keys to the adapter, which Keyv 5 does not.
 */
export class RegionStore extends EventEmitter {
  /** Keyv 5 offers an iterator only for dialects that it knows. Some users write their own options to it. */
  readonly opts: Record<string, unknown> = { dialect: 'redis', url: '' };
  /** Written by Keyv 5, which prefixes the keys itself. */
  namespace: string | undefined = undefined;
  readonly #region: Region<unknown>;
  readonly #closeOnDisconnect: boolean;

  constructor(region: Region<unknown>, { closeOnDisconnect = false }: RegionStoreOptions = {}) {
    super();
    if (typeof region?.getMulti !== 'function' || typeof region.invalidate !== 'function') {
      throw new ValidationError(`regionStore: takes a region, as createRegion makes them, not ${show(region)}`);
    }
    if (typeof closeOnDisconnect !== 'boolean') {
      throw new ValidationError(`closeOnDisconnect: must be true or false, not ${show(closeOnDisconnect)}`);
    }
    this.#region = region;
    this.#closeOnDisconnect = closeOnDisconnect;
  }

  /** What was set, else undefined. */
  async get(key: string): Promise<unknown> {
    try {
      return found(await this.#region.get(key));
    } catch (error) {
      // Keyv 5 takes the rejection of a get for a miss, without a word
      if (this.listenerCount('error') > 0) this.emit('error', error);
      throw error;
    }
  }

  /** Aligned with `keys`. */
  async getMany(keys: readonly string[]): Promise<unknown[]> {
    return (await this.#region.getMulti(keys)).map(found);
  }

  async has(key: string): Promise<boolean> {
    return (await this.#region.get(key)) !== NO_VALUE;
  }

  /** `ttl`: ms. Left out or 0: as long as the region keeps entries; negative: the entry is gone. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    await this.#region.set(key, value, lifetime(ttl));
    return true;
  }

  /** True for each. If some cannot be stored, it rejects, and the error's `keys` name them. */
  async setMany(items: readonly KeyvItem[]): Promise<boolean[]> {
    const byTtl = new Map<number | undefined, [string, unknown][]>();
    for (const { key, value, ttl } of items) {
      const group = byTtl.get(ttl);
      if (group === undefined) byTtl.set(ttl, [[key, value]]);
      else group.push([key, value]);
    }
    await Promise.all([...byTtl].map(([ttl, group]) => this.#region.setMulti(group, lifetime(ttl))));
    return items.map(() => true);
  }

  async delete(key: string): Promise<boolean> {
    return this.#region.delete(key);
  }

  /** Whether one of them was there, as with Keyv's own adapters. */
  async deleteMany(keys: readonly string[]): Promise<boolean> {
    return (await this.#region.deleteMulti(keys)) > 0;
  }

  /**
   * Removes what is in the namespace. Where the backend cannot list its keys, everything in the region goes instead: a
   * cache may lose what it could have kept, but must not keep what was to go.
   */
  async clear(): Promise<void> {
    const region = this.#region;
    const prefix = this.namespace ? `${this.namespace}:` : '';
    if (prefix !== '' && region.supports('enumerate')) {
      let page: string[] = [];
      for await (const key of region.keys({ prefix })) {
        if (page.push(key) < PAGE) continue;
        await region.deleteMulti(page);
        page = [];
      }
      await region.deleteMulti(page);
    } else if (region.supports('clear')) await region.clear();
    else await region.invalidate();
  }

  /** Keys and values as they were set. Rejects with `CapabilityError` where the backend cannot list its keys. */
  async *iterator(namespace?: string): AsyncGenerator<[string, unknown], void, undefined> {
    yield* this.#region.entries({ prefix: namespace ? `${namespace}:` : '' });
  }

  async disconnect(): Promise<void> {
    if (this.#closeOnDisconnect) await this.#region.close();
  }
}

function found(value: unknown): unknown {
  return value === NO_VALUE ? undefined : value;
}

function lifetime(ttl: number | undefined): { expirationTime?: number } {
  // Keyv's 0 is for ever; null and NaN come from callers of Keyv
  return typeof ttl !== 'number' || !ttl ? {} : { expirationTime: Math.max(0, ttl) };
}
