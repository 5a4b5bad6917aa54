/** From the application's key to the stored one, and back. */

import { createHash } from 'node:crypto';
import { show } from './duration.js';
import { ValidationError } from './errors.js';

/** Turns a key into one that fits a storage. Must be deterministic; two keys must not become one. */
export type KeyMangler = (key: string) => string;

/** Longest key in UTF-8 bytes, as the application writes it. */
export const MAX_KEY_BYTES = 65_536;

/** SHA-256 of the key in base64url: 43 characters. */
export const hashMangler: KeyMangler = (key) => createHash('sha256').update(key).digest('base64url');

/**
 * Leaves keys of at most `maxBytes` UTF-8 bytes alone and mangles longer ones.
 * @example createRegion({ keyMangler: lengthMangler(200) })
 */
export function lengthMangler(maxBytes: number, mangler: KeyMangler = hashMangler): KeyMangler {
  if (!Number.isInteger(maxBytes) || maxBytes < 1) {
    throw new ValidationError(`lengthMangler: maxBytes must be a whole number from 1, not ${show(maxBytes)}`);
  }
  return (key) => (Buffer.byteLength(key) <= maxBytes ? key : mangler(key));
}

/** Where a namespace keeps what is not its user's. */
const RESERVED = '\0stockpile.';

/** Throws a `ValidationError` unless `key` is a well-formed string of 1 to 65,536 bytes. */
export function checkKey(key: unknown): asserts key is string {
  if (typeof key !== 'string') throw new ValidationError(`a key must be a string, not ${show(key)}; write String(id)`);
  if (key === '') throw new ValidationError('a key must not be the empty string');
  if (key.startsWith(RESERVED))
    throw new ValidationError(`key ${show(key)} begins with '\\0stockpile.', which is reserved`, { key });
  if (!key.isWellFormed()) {
    throw new ValidationError(`key ${show(key)} is not well-formed Unicode: it has a lone surrogate`, { key });
  }
  if (key.length * 3 > MAX_KEY_BYTES && Buffer.byteLength(key) > MAX_KEY_BYTES) {
    throw new ValidationError(
      `key ${show(key)} has ${Buffer.byteLength(key)} bytes; the limit is ${MAX_KEY_BYTES}: hash it, or shorten it`,
      { key },
    );
  }
}

/** Hot keys are remembered in two generations of this many, so that a hit neither checks nor builds its stored key. */
const GENERATION = 2048;
/** Longer keys are not remembered: the memory they hold stays small. */
const MAX_REMEMBERED_LENGTH = 256;

/** The keys of one namespace. */
export class KeySpace {
  /** What every stored key of this namespace begins with; `''` for the empty namespace. */
  readonly prefix: string;
  readonly #mangle: KeyMangler;
  #invalidations: string | undefined;
  #young = new Map<string, string>();
  #old = new Map<string, string>();

  /** `user`: the region's mangler, `false` for none at all; `backend`: the driver's own, for the whole key. */
  constructor(namespace: string, user: KeyMangler | false | undefined, backend: KeyMangler | undefined) {
    // ':' and '%' are escaped, so that no other namespace and key can give the same stored key
    const prefix = namespace === '' ? '' : `${namespace.replace(/[%:]/g, (c) => (c === '%' ? '%25' : '%3A'))}:`;
    this.prefix = prefix;
    if (user) this.#mangle = (key) => prefix + checkMangled(user(key), key);
    else if (backend && user !== false) this.#mangle = (key) => checkMangled(backend(prefix + key), key);
    else if (prefix === '') this.#mangle = (key) => key;
    // joined, not added: an addition is kept as its two parts, which every look-up pays for, and takes twice the memory
    else this.#mangle = (key) => [prefix, key].join('');
  }

  /** The stored key; a `ValidationError` for a key that cannot be one. */
  stored(key: string): string {
    const known = this.#young.get(key);
    return known === undefined ? this.#build(key) : known;
  }

  /** The stored key of the shared invalidation times. */
  get invalidations(): string {
    this.#invalidations ??= this.#mangle(`${RESERVED}invalidations`);
    return this.#invalidations;
  }

  /** Whether a stored key is what the region keeps beside its entries. */
  isReserved(stored: string): boolean {
    return stored === this.invalidations;
  }

  /** The application's key of a stored one. What a mangler did is not undone. */
  original(stored: string): string {
    return stored.slice(this.prefix.length);
  }

  #build(key: string): string {
    let stored = this.#old.get(key);
    if (stored === undefined) {
      checkKey(key);
      stored = this.#mangle(key);
      if (key.length > MAX_REMEMBERED_LENGTH) return stored;
    }
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, stored);
    return stored;
  }
}

function checkMangled(mangled: unknown, key: string): string {
  if (typeof mangled === 'string' && mangled !== '') return mangled;
  throw new ValidationError(`the key mangler made ${show(mangled)} of key ${show(key)}; it must return a text`, {
    key,
  });
}
