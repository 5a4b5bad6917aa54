/** What an experiment tells the process that works through an outage, and what that process answers. */

import type { MemcachedArguments } from '@stockpile/backend-memcached';
import type { RedisArguments } from '@stockpile/backend-redis';

export type BackendName = 'redis' | 'memcached' | 'keyv';

export interface OutageTask {
  readonly backend: BackendName;
  /** Of the driver; for keyv, of the redis region behind it. */
  readonly args: RedisArguments | MemcachedArguments;
  /** ms, of the region. */
  readonly timeout: number;
  /**
   * What an outage takes with it, though it was acknowledged: `nothing`; `all` of a server; or the `recent` writes, so
   * that what they have replaced is seen again, as after a failover to a replica.
   */
  readonly loses: Losses;
}

export type Losses = 'nothing' | 'all' | 'recent';

export type Phase = 'before' | 'fault' | 'after';

export interface PhaseReport {
  readonly operations: number;
  readonly failed: number;
  /** get of one key: all, and those that failed. */
  readonly gets: number;
  readonly failedGets: number;
  /** The longest operation but for creations, ms. Without the time in which its process had no cpu. */
  readonly longest: number;
  /** The longest getOrCreate, ms. */
  readonly longestCreation: number;
  /** getOrCreate and getOrCreateMulti that were answered by their creator. */
  readonly created: number;
  /** How often each error code was seen. */
  readonly codes: Readonly<Record<string, number>>;
}

export interface OutageReport {
  readonly phases: Readonly<Record<Phase, PhaseReport>>;
  /** Values of another key, torn ones, ones that had been replaced; counters that count twice. The first of them. */
  readonly wrong: readonly string[];
  readonly wrongCount: number;
  /** Everything else that must never be: untyped, unhandled, not settled in time. */
  readonly problems: readonly string[];
  /** What may come of a machine that is too busy: failures before the fault, or long after it. */
  readonly late: readonly string[];
  /** Of the time of the process, the share in which it was ready to run and had no cpu. */
  readonly starved: number;
  /** What was still open after the end. */
  readonly left: readonly string[];
}
