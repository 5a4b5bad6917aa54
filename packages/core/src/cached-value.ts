/** What a region stores, and the symbol that says there is nothing. */

import { ValidationError } from './errors.js';

/** The miss sentinel. Test with `===`: every value, `undefined`, `null`, `0` and `''` included, can be cached. */
export const NO_VALUE: unique symbol = Symbol.for('stockpile.NO_VALUE');
export type NoValue = typeof NO_VALUE;

/** A value with what is known of it. Treat as immutable: by-reference backends hand out the stored object. */
export interface CachedValue<V = unknown> {
  readonly value: V;
  readonly metadata: Metadata;
}

/** Every write makes a new metadata object: its identity is the version of an entry in by-reference backends. */
export interface Metadata {
  /** Epoch ms of the region's clock; never at or before the last invalidation it was written after. */
  readonly createdAt: number;
  /** Age in ms at which the value is stale, if the entry has one of its own. */
  readonly expirationTime?: number;
  /** For `invalidate({ tags })`. */
  readonly tags?: readonly string[];
  /** How long the creator took, in ms: kept only for `earlyRefresh`. */
  readonly creationTime?: number;
}

/** A counter's next state: `by` added, the expiry kept. Throws a `ValidationError` where the value is no number. */
export function add({ value, metadata }: CachedValue, by: number): CachedValue<number> {
  if (typeof value === 'number') return { value: value + by, metadata: { ...metadata } };
  // its type alone: values are nobody's business but the application's
  const type = value === null ? 'null' : typeof value;
  throw new ValidationError(
    `increment: the entry holds a value of type ${type}, which is no number; delete or set it first`,
  );
}
