/** The cache that everybody writes by hand: a Map, and a look at the clock. */

export interface Expiring<V> {
  readonly value: V;
  /** Epoch ms. */
  readonly expiresAt: number;
}

export function byHand<V>(pairs: Iterable<readonly [string, V]>, ttlMs: number): Map<string, Expiring<V>> {
  const expiresAt = Date.now() + ttlMs;
  return new Map(Array.from(pairs, ([key, value]) => [key, { value, expiresAt }]));
}
