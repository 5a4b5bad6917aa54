/** A Keyv 6 instance as a store. Types are ours: keyv is not imported. */

import { bufferOf, bytesIn, type EntryForm, expiresOf, nestedForm, textForm } from './entry-form.js';
import { type Maybe, markFor, refusedKeys, type StoreAccess } from './store-access.js';
import type { ErrorSource } from './store-errors.js';

/** A storage adapter of version 6, or the one that Keyv puts around a Map or an adapter of version 5. */
interface Adapter6 {
  readonly iterator?: () => AsyncIterable<readonly [string, unknown]>;
  /** Of a wrapping one: what it wraps, and how it joins namespace and key. */
  readonly store?: object & { readonly iterator?: unknown; readonly entries?: unknown };
  readonly namespaceSeparator?: string;
}

/** What is used of it. */
export interface Keyv6 extends ErrorSource {
  readonly store: Adapter6;
  readonly namespace: string | undefined;
  readonly compression: unknown;
  readonly encryption: unknown;
  readonly serialization: Maybe<{ stringify(data: unknown): unknown }>;
  readonly sanitize: { readonly enabled: boolean };
  readonly hooks: ReadonlyMap<string, unknown>;
  readonly stats: { readonly enabled: boolean };
  get(key: string): Promise<unknown>;
  getMany(keys: readonly string[]): Promise<readonly unknown[]>;
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  setMany(entries: readonly { key: string; value: unknown; ttl?: number | undefined }[]): Promise<readonly boolean[]>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: readonly string[]): Promise<readonly boolean[]>;
  clear(): Promise<void>;
  decode(raw: unknown): Promise<unknown>;
}

export function isKeyv6(store: object): store is Keyv6 {
  return ['getRaw', 'encode', 'decode'].every((name) => typeof (store as Record<string, unknown>)[name] === 'function');
}

/** As `mapOf5`, for the Map that Keyv 6 wraps into its memory adapter. */
export function mapOf6(keyv: Keyv6): { map: Map<unknown, unknown>; prefix: string; form: EntryForm } | undefined {
  const { namespace, compression, encryption, sanitize, hooks, stats } = keyv;
  const { store: map, namespaceSeparator } = keyv.store;
  if (!(map instanceof Map) || namespaceSeparator === undefined) return undefined;
  const isLookedAt = hooks.size > 0 || stats.enabled;
  if (compression !== undefined || encryption !== undefined || sanitize.enabled || isLookedAt) return undefined;
  if (!readsObjects(keyv)) return undefined;
  const before = namespace ? namespace + namespaceSeparator : '';
  return { map, prefix: before + markFor(namespace), form: nestedForm };
}

/** Whether a Buffer comes back as one: without a serialiser, and with the default one. */
function readsObjects({ serialization }: Keyv6): boolean {
  if (serialization === undefined) return true;
  const probe = Buffer.from('probe');
  try {
    return serialization.stringify({ value: probe, expires: undefined }) === textForm.pack(probe, Infinity);
  } catch {
    return false;
  }
}

/** Of an adapter that wraps another, what counts is whether that one can be gone through. */
function hasIterator({ iterator, store, namespaceSeparator }: Adapter6): boolean {
  if (typeof iterator !== 'function') return false;
  if (store === undefined || namespaceSeparator === undefined) return true;
  return typeof store.iterator === 'function' || (store instanceof Map && typeof store.entries === 'function');
}

export function keyv6Access(keyv: Keyv6): StoreAccess {
  const { store } = keyv;
  const mark = markFor(keyv.namespace);
  const plain = readsObjects(keyv);
  const give = (bytes: Uint8Array): unknown => (plain ? bufferOf(bytes) : bufferOf(bytes).toString('base64'));
  /** One that wraps an adapter of version 5 says the same of all keys. */
  const saysOfEach = store.namespaceSeparator === undefined;

  async function* keys(): AsyncGenerator<string, void, undefined> {
    // the adapter's, which rejects, and does not decode keys that are not ours
    for await (const [key, raw] of store.iterator?.() ?? []) {
      if (typeof key !== 'string' || !key.startsWith(mark)) continue;
      if (Date.now() < expiresOf(await keyv.decode(raw))) yield key.slice(mark.length);
    }
  }

  return {
    get: async (key) => bytesIn(await keyv.get(mark + key)),
    getMany: async (asked) => (await keyv.getMany(asked.map((key) => mark + key))).map(bytesIn),
    set: (key, bytes, ttl) => keyv.set(mark + key, give(bytes), ttl),
    setMany: async (items, ttl) => {
      const entries = [...items].map(([key, bytes]) => ({ key: mark + key, value: give(bytes), ttl }));
      return refusedKeys(items.keys(), await keyv.setMany(entries));
    },
    delete: (key) => keyv.delete(mark + key),
    deleteMany: saysOfEach
      ? async (asked) => (await keyv.deleteMany(asked.map((key) => mark + key))).filter(Boolean).length
      : undefined,
    keys: hasIterator(store) ? keys : undefined,
    clear: () => keyv.clear(),
  };
}
