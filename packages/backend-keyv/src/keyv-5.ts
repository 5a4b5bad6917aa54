/** A Keyv 5 instance (from 5.5) as a store. Types are ours: keyv is not imported. */

import { ValidationError } from '@stockpile/core';
import { bufferOf, bytesIn, type EntryForm, expiresOf, objectForm, textForm } from './entry-form.js';
import { type Maybe, markFor, refusedKeys, type StoreAccess } from './store-access.js';
import type { ErrorSource } from './store-errors.js';

type Iterator5 = (namespace: string | undefined) => AsyncIterable<readonly [string, unknown]>;

/** What is used of it. */
export interface Keyv5 extends ErrorSource {
  readonly opts: { readonly emitErrors?: boolean };
  readonly store: object & { readonly getMany?: unknown; readonly setMany?: unknown; readonly iterator?: Iterator5 };
  readonly namespace: string | undefined;
  readonly useKeyPrefix: boolean;
  readonly throwOnErrors: boolean;
  readonly compression: unknown;
  readonly serialize: Maybe<(data: { value: unknown; expires: undefined }) => unknown>;
  readonly hooks: { readonly handlers: ReadonlyMap<string, unknown> };
  readonly stats: { readonly enabled: boolean };
  getRaw(key: string): Promise<{ readonly value?: unknown } | undefined>;
  getManyRaw(keys: readonly string[]): Promise<readonly ({ readonly value?: unknown } | undefined)[]>;
  set(key: string, value: unknown, ttl?: number): Promise<boolean>;
  setMany(entries: readonly { key: string; value: unknown; ttl?: number | undefined }[]): Promise<unknown>;
  delete(key: string): Promise<boolean>;
  clear(): Promise<void>;
  deserializeData(raw: unknown): Promise<{ readonly expires?: number } | undefined>;
}

export function isKeyv5(store: object): store is Keyv5 {
  return ['getRaw', 'serializeData', 'deserializeData'].every(
    (name) => typeof (store as Record<string, unknown>)[name] === 'function',
  );
}

/** What Keyv puts before the keys that it is given. */
function namespacePrefix({ useKeyPrefix, namespace }: Keyv5): string {
  return useKeyPrefix && namespace ? `${namespace}:` : '';
}

/**
 * The Map inside a Keyv that does nothing but keep entries in it, with the prefix of our keys and the form that its
 * entries have: then Keyv's own work, most of the time of a call, can be left out. Undefined where somebody looks on
 * (hooks, statistics) or the bytes are to be changed (compression, a serialiser of the user's).
 */
export function mapOf5(keyv: Keyv5): { map: Map<unknown, unknown>; prefix: string; form: EntryForm } | undefined {
  const { store, compression, hooks, stats } = keyv;
  if (!(store instanceof Map) || compression !== undefined || hooks.handlers.size > 0 || stats.enabled)
    return undefined;
  const form = keyv.serialize === undefined ? objectForm : writesTextForm(keyv) ? textForm : undefined;
  return form && { map: store, prefix: namespacePrefix(keyv) + markFor(keyv.namespace), form };
}

/** Whether it writes a Buffer as the default serialiser does, so as text that gives a Buffer back. */
function writesTextForm({ serialize }: Keyv5): boolean {
  const probe = Buffer.from('probe');
  try {
    return serialize?.({ value: probe, expires: undefined }) === textForm.pack(probe, Infinity);
  } catch {
    return false;
  }
}

/**
 * Reads by `getRaw`, which rejects when the store does, where `get` answers as for a miss; so the user's own
 * `throwOnErrors` can stay as it is.
 */
export function keyv5Access(keyv: Keyv5): StoreAccess {
  const { store } = keyv;
  if (keyv.opts.emitErrors === false && !keyv.throwOnErrors) {
    throw new ValidationError(
      'keyv: this Keyv hides its errors (emitErrors: false), an outage would look like a miss; leave emitErrors out, or set throwOnErrors: true',
    );
  }
  const mark = markFor(keyv.namespace);
  // as text where a Buffer might not come back: v5 hands the value itself to a compression
  const plain = keyv.compression === undefined && (keyv.serialize === undefined || writesTextForm(keyv));
  const give = (bytes: Uint8Array): unknown => (plain ? bufferOf(bytes) : bufferOf(bytes).toString('base64'));
  const many = keyv.store instanceof Map ? {} : store;

  async function* keys(): AsyncGenerator<string, void, undefined> {
    const prefix = namespacePrefix(keyv) + mark;
    // the store's iterator, since Keyv's own passes keys of other namespaces that contain this one's name
    const entries = store instanceof Map ? store : store.iterator?.(keyv.namespace);
    for await (const [key, raw] of entries ?? []) {
      if (typeof key !== 'string' || !key.startsWith(prefix)) continue;
      const entry = typeof raw === 'string' ? await keyv.deserializeData(raw) : raw;
      if (Date.now() < expiresOf(entry)) yield key.slice(prefix.length);
    }
  }

  return {
    get: async (key) => bytesIn((await keyv.getRaw(mark + key))?.value),
    // without a getMany of the store, Keyv's own takes what rejects for a miss
    getMany:
      typeof many.getMany === 'function'
        ? async (asked) => {
            const found = await keyv.getManyRaw(asked.map((key) => mark + key));
            return found.map((entry) => bytesIn(entry?.value));
          }
        : undefined,
    set: (key, bytes, ttl) => keyv.set(mark + key, give(bytes), ttl),
    setMany:
      typeof many.setMany === 'function'
        ? async (items, ttl) => {
            const entries = [...items].map(([key, bytes]) => ({ key: mark + key, value: give(bytes), ttl }));
            return refusedKeys(items.keys(), await keyv.setMany(entries));
          }
        : undefined,
    delete: (key) => keyv.delete(mark + key),
    // deleteMany says only whether, not how many
    keys: store instanceof Map || typeof store.iterator === 'function' ? keys : undefined,
    clear: () => keyv.clear(),
  };
}
