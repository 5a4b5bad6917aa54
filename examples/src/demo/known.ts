/** The backends that the demo knows, by name, and what it expects of them. */

/** Stores nothing: with it, every request runs the creator. */
export const UNCACHED = 'null';
/** What needs no more than its package, in the order of the runs. */
export const EMBEDDED: readonly string[] = ['memory', 'memory-pickle', 'lru', 'shm'];
/** What needs a server or a store: it runs where it is named. */
export const NAMED_ONLY: readonly string[] = ['redis', 'memcached', 'keyv'];
/** What processes share in a demo without a name. */
export const SHARED = 'shm';
/** Of this one each process has its own. */
export const OWN = 'lru';

/**
 * What several processes share, one creator at a time for each key. Fenced: a promise. Otherwise the lock is an item
 * like any other, and a server may evict it.
 */
const LOCKS: Readonly<Record<string, 'fenced' | 'evictable'>> = {
  shm: 'fenced',
  redis: 'fenced',
  memcached: 'evictable',
};

export function isShared(name: string): boolean {
  return Object.hasOwn(LOCKS, name);
}

/** One creator call per key, by all processes together. */
export function promisesOneCall(name: string): boolean {
  return isShared(name) && LOCKS[name] === 'fenced';
}
