/** Recognises by its shape what the user handed in: keyv is not imported, so either version does, or none. */

import { ValidationError } from '@stockpile/core';
import { adapterAccess, isAdapter } from './adapter.js';
import { objectForm } from './entry-form.js';
import { isKeyv5, keyv5Access, mapOf5 } from './keyv-5.js';
import { isKeyv6, keyv6Access, mapOf6 } from './keyv-6.js';
import { MapStore } from './map-store.js';
import type { KeyvSettings } from './options.js';
import { RemoteStore } from './remote-store.js';
import { markFor, type StoreAccess } from './store-access.js';

export function openStore(settings: KeyvSettings): MapStore | RemoteStore {
  const { store, clock } = settings;
  if (isMap(store)) return new MapStore(store, markFor(undefined), objectForm, clock);
  const inner = isKeyv5(store) ? mapOf5(store) : isKeyv6(store) ? mapOf6(store) : undefined;
  if (inner !== undefined) return new MapStore(inner.map, inner.prefix, inner.form, clock);
  return new RemoteStore(accessTo(store), nameOf(store), settings);
}

function accessTo(store: object): StoreAccess {
  if (isKeyv5(store)) return keyv5Access(store);
  if (isKeyv6(store)) return keyv6Access(store);
  if ('generateIterator' in store) {
    throw new ValidationError('keyv: this Keyv is of another version; it must be one of 5.5 or later, or 6.1 or later');
  }
  if (isAdapter(store)) return adapterAccess(store);
  throw new ValidationError(
    'keyv: store must be a Keyv instance, a storage adapter or a Map; this object has no get(), set() and delete()',
  );
}

/** A Map of another realm too, as test runners have them. */
function isMap(store: object): store is Map<unknown, unknown> {
  return Object.prototype.toString.call(store) === '[object Map]';
}

/** For messages and states: the class of what keeps the entries. A URL may have a password. */
function nameOf(store: object): string {
  let inner: unknown = store;
  if (isKeyv5(store)) inner = store.store;
  // Keyv 6 wraps Maps and adapters of version 5
  else if (isKeyv6(store)) inner = store.store.namespaceSeparator === undefined ? store.store : store.store.store;
  const name = (inner as object | undefined)?.constructor?.name;
  return name === undefined || name === 'Object' || name === '' ? 'the Keyv store' : name;
}
