/** What the driver asks of a store, whatever its kind: bare calls, which may hang or reject. */

export interface StoreAccess {
  get(key: string): Promise<Uint8Array | undefined>;
  /** Aligned with `keys`. Only where the store does it in one call. */
  readonly getMany?: ((keys: readonly string[]) => Promise<readonly (Uint8Array | undefined)[]>) | undefined;
  /** `ttl`: whole ms from 1, undefined for none. False: not stored. */
  set(key: string, bytes: Uint8Array, ttl: number | undefined): Promise<boolean>;
  /** The keys that were not stored. Only where the store does it in one call. */
  readonly setMany?:
    | ((items: ReadonlyMap<string, Uint8Array>, ttl: number | undefined) => Promise<readonly string[]>)
    | undefined;
  /** Whether it was there. */
  delete(key: string): Promise<boolean>;
  /** How many were there. Only where the store does it in one call, and says of each. */
  readonly deleteMany?: ((keys: readonly string[]) => Promise<number>) | undefined;
  /** Live keys. Only where the store has an iterator. */
  readonly keys?: (() => AsyncGenerator<string, void, undefined>) | undefined;
  /** The store's own `clear`: all of its namespace at least. Only where it has one. */
  readonly clear?: (() => Promise<unknown>) | undefined;
}

/** A method that may be missing. */
export type Maybe<F> = F | undefined;

/**
 * What our keys begin with in a store of this namespace. Keyv 5 takes a key that begins with its own namespace for one
 * that has been prefixed already, and then reads and writes another key; a prefix that is empty would allow that, and
 * the empty key, which Keyv 6 refuses.
 */
export function markFor(namespace: string | undefined): string {
  return namespace?.startsWith('~') ? '_' : '~';
}

/** Of `answers` to a setMany: aligned booleans in newer stores, nothing in older ones. */
export function refusedKeys(keys: Iterable<string>, answers: unknown): string[] {
  if (answers === false) return [...keys];
  return Array.isArray(answers) ? [...keys].filter((_, i) => answers[i] === false) : [];
}
