/** A storage adapter of Keyv, without a Keyv around it, as a store. It is given the text that Keyv would give it. */

import { bufferOf, expiresOf, textForm } from './entry-form.js';
import { type Maybe, markFor, refusedKeys, type StoreAccess } from './store-access.js';

interface Written {
  readonly key: string;
  readonly value: unknown;
  readonly ttl?: number | undefined;
  readonly expires?: number | undefined;
}

/** What is used of it. `time`: a ttl in ms, or with `capabilities.expires` (version 6) epoch ms. */
export interface Adapter {
  readonly namespace?: string | undefined;
  readonly capabilities?: { readonly expires?: boolean };
  get(key: string): unknown;
  getMany?: Maybe<(keys: readonly string[]) => unknown>;
  set(key: string, value: unknown, time?: number): unknown;
  setMany?: Maybe<(entries: readonly Written[]) => unknown>;
  delete(key: string): unknown;
  deleteMany?: Maybe<(keys: readonly string[]) => unknown>;
  clear?: Maybe<() => unknown>;
  iterator?: Maybe<(namespace: string | undefined) => AsyncIterable<readonly [string, unknown]>>;
}

export function isAdapter(store: object): store is Adapter {
  return ['get', 'set', 'delete'].every((name) => typeof (store as Record<string, unknown>)[name] === 'function');
}

export function adapterAccess(adapter: Adapter): StoreAccess {
  const mark = markFor(adapter.namespace);
  const takesExpires = adapter.capabilities?.expires === true;

  const unpack = (entry: unknown): Uint8Array | undefined => {
    // many adapters leave it to Keyv to look at the time
    return Date.now() < textForm.expires(entry) ? textForm.unpack(entry) : undefined;
  };
  const written = (key: string, bytes: Uint8Array, ttl: number | undefined): Written => {
    const expires = ttl === undefined ? undefined : Date.now() + ttl;
    const value = textForm.pack(bufferOf(bytes), expires ?? Infinity);
    return { key: mark + key, value, ...(takesExpires ? { expires } : { ttl }) };
  };

  async function* keys(): AsyncGenerator<string, void, undefined> {
    for await (const [key, entry] of adapter.iterator?.(adapter.namespace) ?? []) {
      if (typeof key !== 'string' || !key.startsWith(mark)) continue;
      const expires = typeof entry === 'string' ? textForm.expires(entry) : expiresOf(entry);
      if (Date.now() < expires) yield key.slice(mark.length);
    }
  }

  const { getMany, setMany, deleteMany, clear } = adapter;
  return {
    get: async (key) => unpack(await adapter.get(mark + key)),
    getMany:
      typeof getMany === 'function'
        ? async (asked) => {
            const found = await getMany.call(
              adapter,
              asked.map((key) => mark + key),
            );
            return asked.map((_, i) => unpack((found as readonly unknown[])[i]));
          }
        : undefined,
    set: async (key, bytes, ttl) => {
      const { key: stored, value, ttl: forMs, expires } = written(key, bytes, ttl);
      return (await adapter.set(stored, value, forMs ?? expires)) !== false;
    },
    setMany:
      typeof setMany === 'function'
        ? async (items, ttl) => {
            const entries = [...items].map(([key, bytes]) => written(key, bytes, ttl));
            return refusedKeys(items.keys(), await setMany.call(adapter, entries));
          }
        : undefined,
    delete: async (key) => (await adapter.delete(mark + key)) === true,
    // of version 5 it says only whether, not how many
    deleteMany:
      typeof deleteMany === 'function' && takesExpires
        ? async (asked) => {
            const gone = await deleteMany.call(
              adapter,
              asked.map((key) => mark + key),
            );
            return (gone as readonly boolean[]).filter(Boolean).length;
          }
        : undefined,
    keys: typeof adapter.iterator === 'function' ? keys : undefined,
    clear: typeof clear === 'function' ? async () => clear.call(adapter) : undefined,
  };
}
