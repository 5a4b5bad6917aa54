/** What a region counts, and what it publishes for those who listen. */

import { channel, tracingChannel } from 'node:diagnostics_channel';
import type { ServerState } from './circuit-breaker.js';

/**
 * Why there was nothing to serve. `expired`: beyond grace. `unavailable`: the backend could not be read. `unreadable`: torn,
 * foreign or of another version.
 */
export type MissReason = 'absent' | 'stale' | 'expired' | 'invalidated' | 'unavailable' | 'unreadable';

/** `region.stats()`: counts since the region was made. hits + staleHits + misses = values asked for. */
export interface RegionStats {
  /** Fresh values served. */
  readonly hits: number;
  /** Stale values served by getOrCreate and its kin. */
  readonly staleHits: number;
  /** Values that had to be created or were answered with `NO_VALUE`. */
  readonly misses: number;
  /** The misses by reason; an unreadable entry counts as `unreadable` and also as `absent`. */
  readonly missReasons: Readonly<Record<MissReason, number>>;
  /** Creator calls that returned. */
  readonly creations: number;
  /** ms spent in them, by the region's clock. */
  readonly creationTime: number;
  /** Creator calls that threw or ran into `creatorTimeout`. */
  readonly creationErrors: number;
  /** Created values that were not stored since a delete, set or invalidation came between, or the lock was lost. */
  readonly superseded: number;
  /** Callers that waited for somebody else's creation. */
  readonly waits: number;
  /** Failures of the backend, those that were served around included. */
  readonly errors: number;
  /** The servers behind the backend, and whether they are up. */
  readonly servers: readonly ServerState[];
}

export interface KeyMessage {
  readonly region: string;
  readonly key: string;
}
export interface MissMessage extends KeyMessage {
  readonly reason: MissReason;
}
export interface ErrorMessage {
  readonly region: string;
  readonly key: string | undefined;
  /** `get`, `set`, `lock`, `background`, … */
  readonly operation: string;
  readonly error: unknown;
}

/** Channels of node:diagnostics_channel. Creations are traced: `tracing:stockpile:create:start`, `:end`, `:error`, … */
const hits = channel('stockpile:hit');
const stales = channel('stockpile:stale');
const misses = channel('stockpile:miss');
const errors = channel('stockpile:error');
export const creations: ReturnType<typeof tracingChannel> = tracingChannel('stockpile:create');

type Counts = { -readonly [P in Exclude<keyof RegionStats, 'missReasons' | 'servers'>]: number };

export class Stats {
  readonly #counts: Counts = {
    hits: 0,
    staleHits: 0,
    misses: 0,
    creations: 0,
    creationTime: 0,
    creationErrors: 0,
    superseded: 0,
    waits: 0,
    errors: 0,
  };
  readonly #reasons: Record<MissReason, number> = {
    absent: 0,
    stale: 0,
    expired: 0,
    invalidated: 0,
    unavailable: 0,
    unreadable: 0,
  };

  constructor(private readonly region: string) {}

  snapshot(): Omit<RegionStats, 'servers'> {
    return { ...this.#counts, missReasons: { ...this.#reasons } };
  }

  hit(key: string): void {
    this.#counts.hits++;
    if (hits.hasSubscribers) hits.publish({ region: this.region, key } satisfies KeyMessage);
  }

  stale(key: string): void {
    this.#counts.staleHits++;
    if (stales.hasSubscribers) stales.publish({ region: this.region, key } satisfies KeyMessage);
  }

  miss(key: string, reason: MissReason): void {
    this.#counts.misses++;
    this.#reasons[reason]++;
    if (misses.hasSubscribers) misses.publish({ region: this.region, key, reason } satisfies MissMessage);
  }

  unreadable(key: string, error: unknown): void {
    this.#reasons.unreadable++;
    this.#publishError('decode', key, error);
  }

  created(ms: number): void {
    this.#counts.creations++;
    this.#counts.creationTime += ms;
  }

  count(what: 'creationErrors' | 'superseded' | 'waits'): void {
    this.#counts[what]++;
  }

  /** A failure that the caller may never see: of the backend, or behind a value that was served. */
  error(operation: string, key: string | undefined, error: unknown): void {
    this.#counts.errors++;
    this.#publishError(operation, key, error);
  }

  #publishError(operation: string, key: string | undefined, error: unknown): void {
    if (errors.hasSubscribers) errors.publish({ region: this.region, key, operation, error } satisfies ErrorMessage);
  }
}
