/**
 * The keys that memcached sees, 1 to 250 bytes without blanks and control characters:
 *
 *   users:@                     the generation of the namespace `users:`
 *   users:<generation>.ada      the entry `users:ada`
 *   users:<generation>#ad…-<hash>   an entry whose key does not fit: its beginning, and SHA-256 of the whole key
 *   users:<generation>!.ada     the lock of an entry
 *
 * Every generation has the same length, so none of the kinds can be taken for another. A namespace is what ends with the
 * first ':' of a stored key; without one it is empty.
 */

import { hashMangler } from '@stockpile/core';

const MAX_KEY_BYTES = 250;
export const GENERATION_LENGTH = 12;
const MAX_NAMESPACE_BYTES = 120;
/** Characters of a key that does not fit that are kept for those who read lists of keys. */
const READABLE = 24;
/** Other clients and proxies do not take these. */
const UNFIT = /[\0-\x20\x7f]/;
const EACH_UNFIT = /[\0-\x20\x7f]|[^\x21-\x7e]/g;

export interface PhysicalNamespace {
  /** Before the generation. */
  readonly prefix: string;
  /** Characters of the namespace in a stored key. */
  readonly length: number;
  /** Bytes that are left for what follows the generation. */
  readonly room: number;
  /** It did not fit: every key of it is hashed whole. */
  readonly isHashed: boolean;
}

/** Namespaces that are remembered. Regions have few; keys of a region without a namespace may have any number. */
const MOST_NAMESPACES = 1024;

export class Namespaces {
  readonly #known = new Map<string, PhysicalNamespace>();

  /** Of a stored key: what ends with its first ':'. */
  of(stored: string): PhysicalNamespace {
    const namespace = stored.slice(0, stored.indexOf(':') + 1);
    let known = this.#known.get(namespace);
    if (known === undefined) {
      known = physicalNamespace(namespace);
      if (this.#known.size >= MOST_NAMESPACES) this.#known.delete(this.#known.keys().next().value as string);
      this.#known.set(namespace, known);
    }
    return known;
  }
}

export function physicalNamespace(namespace: string): PhysicalNamespace {
  const isHashed = UNFIT.test(namespace) || Buffer.byteLength(namespace) > MAX_NAMESPACE_BYTES;
  const prefix = isHashed ? `~${hashMangler(namespace)}:` : namespace;
  const room = MAX_KEY_BYTES - Buffer.byteLength(prefix) - GENERATION_LENGTH - 1; // 1: the mark of a lock
  return { prefix, length: namespace.length, room, isHashed };
}

/** What follows the generation in the key of an entry. */
export function entryName(stored: string, { length, room, isHashed }: PhysicalNamespace): string {
  const rest = stored.slice(length);
  // 3 bytes of UTF-8 per character at most: only what is near the limit is counted
  const fits = !isHashed && !UNFIT.test(rest) && (rest.length * 3 < room || Buffer.byteLength(rest) < room);
  if (fits) return `.${rest}`;
  return `#${rest.slice(0, READABLE).replace(EACH_UNFIT, '_')}-${hashMangler(stored)}`;
}

export function isHashedName(name: string): boolean {
  return name.charCodeAt(0) === 35; // '#'
}

export function lockName(name: string): string {
  return `!${name}`;
}

export function generationKey({ prefix }: PhysicalNamespace): string {
  return `${prefix}@`;
}
