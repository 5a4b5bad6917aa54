/** The one place that says what fresh, stale and gone mean. */

import { type CachedValue, type Metadata, NO_VALUE, type NoValue } from './cached-value.js';
import type { RegionInvalidator, Verdict } from './invalidation.js';

/**
 * `fresh`: serve it. `early`: fresh, and chosen to be renewed before its time. `stale`: may be served while somebody
 * creates. `expired` (beyond grace), `invalidated` (hard) and `absent` all mean that there is nothing to serve.
 */
export type Freshness = 'fresh' | 'early' | 'stale' | 'expired' | 'invalidated' | 'absent';

/** Whether there is nothing to serve. */
export function isGone(state: Freshness): state is 'expired' | 'invalidated' | 'absent' {
  return state === 'expired' || state === 'invalidated' || state === 'absent';
}

/** How a read that found no fresh entry is counted. */
export function missReason(state: Freshness): 'absent' | 'stale' | 'expired' | 'invalidated' {
  return state === 'fresh' ? 'absent' : state === 'early' ? 'stale' : state;
}

/** The value that a creator may build on: what could be served. */
export function staleOf(entry: CachedValue | NoValue, state: Freshness): unknown {
  return entry === NO_VALUE || isGone(state) ? NO_VALUE : entry.value;
}

/** Whether `now` holds another entry than `before`. */
export function isNewer(now: CachedValue | NoValue, before: CachedValue | NoValue): now is CachedValue {
  return now !== NO_VALUE && (before === NO_VALUE || now.metadata.createdAt !== before.metadata.createdAt);
}

/** What a region judges by. */
export interface FreshnessPolicy {
  /** Age in ms at which entries without a time of their own are stale. */
  readonly expirationTime: number;
  /** ms past that age; undefined: as long as the entry's expiration time. */
  readonly grace: number | undefined;
  readonly invalidator: RegionInvalidator;
}

/** `expirationTime`: the call's own, in ms, which judges this read only. */
export function judge(
  entry: CachedValue | NoValue,
  key: string,
  now: number,
  policy: FreshnessPolicy,
  expirationTime: number | undefined,
): Freshness {
  if (entry === NO_VALUE) return 'absent';
  const { metadata } = entry;
  const limit = expirationTime ?? expirationOf(metadata, policy);
  const age = ageOf(metadata, now);
  const verdict = verdictFor(key, metadata.createdAt, metadata.tags, policy.invalidator);
  if (verdict === 'hard') return 'invalidated';
  if (age < limit) return verdict === 'valid' ? 'fresh' : 'stale';
  return age < limit + graceOf(metadata, policy) ? 'stale' : 'expired';
}

/** The common case of a hit in two comparisons. True only for fresh entries, though not for all of them. */
export function isPlainlyFresh({ metadata }: CachedValue, now: number, policy: FreshnessPolicy): boolean {
  if (metadata === undefined || !isAfter(metadata.createdAt, policy.invalidator)) return false;
  return Math.abs(now - metadata.createdAt) < (metadata.expirationTime ?? policy.expirationTime);
}

/** How the invalidator judges what is dated `createdAt`. Spares the call, and the object, where that is certain. */
export function verdictFor(
  key: string,
  createdAt: number,
  tags: readonly string[] | undefined,
  invalidator: RegionInvalidator,
): Verdict {
  return isAfter(createdAt, invalidator) ? 'valid' : invalidator.check({ key, createdAt, tags: tags ?? [] });
}

/** Whether all invalidations came before. One that does not say when its last was is asked each time. */
function isAfter(createdAt: number, { latest = Infinity }: RegionInvalidator): boolean {
  return createdAt > latest; // read once: it may be another process that changes it
}

/** ms since the entry was written; one from the future (another host's clock is ahead) counts as new. */
export function ageOf(metadata: Metadata, now: number): number {
  return now > metadata.createdAt ? now - metadata.createdAt : 0;
}

/** ms after which an entry is stale when the call does not say. */
export function expirationOf(metadata: Metadata, policy: FreshnessPolicy): number {
  return metadata.expirationTime ?? policy.expirationTime;
}

/** ms from its writing until the backend may free an entry: expirationTime + grace. */
export function ttlOf(metadata: Metadata, policy: FreshnessPolicy): number {
  return expirationOf(metadata, policy) + graceOf(metadata, policy);
}

function graceOf(metadata: Metadata, policy: FreshnessPolicy): number {
  return policy.grace ?? expirationOf(metadata, policy);
}

/** `beta` above 1 renews earlier, below 1 later; `random` is uniform in 0..1. */
export interface EarlyRefresh {
  readonly beta: number;
  readonly random: () => number;
}

/**
 * Whether this read renews a fresh entry before its time: probabilistic early expiration, XFetch (Vattani, Chierichetti,
 * Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015). The chance grows towards the edge, and
 * with how long the value took to create.
 */
export function isEarly(
  { metadata }: CachedValue,
  now: number,
  expiration: number,
  { beta, random }: EarlyRefresh,
): boolean {
  const { creationTime } = metadata;
  if (creationTime === undefined || expiration === Infinity) return false;
  return ageOf(metadata, now) - creationTime * beta * Math.log(random()) >= expiration;
}
