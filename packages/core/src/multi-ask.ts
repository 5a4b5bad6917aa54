/** The bookkeeping of calls for many keys. */

import { type CachedValue, NO_VALUE } from './cached-value.js';
import { type Freshness, missReason, staleOf } from './freshness.js';
import type { CacheMutex } from './mutex.js';
import type { Found } from './region-core.js';
import type { Flight } from './single-flight.js';
import type { Stats } from './stats.js';

/** One key of the call that has no value yet. */
export interface Question {
  readonly key: string;
  readonly stored: string;
  seen: Found;
  state: Freshness;
  /** Ours, while held. */
  mutex: CacheMutex | undefined;
  /** Whether the statistics have it. */
  counted: boolean;
  /** The backend failed when it was read first. */
  unread: boolean;
}

/** The values of the call so far. Each key is counted once, by how it is first dealt with. */
export class Answers {
  readonly values: Map<string, unknown> = new Map();

  constructor(private readonly stats: Stats) {}

  /** The value that was read: a hit, or the older value where that is served. */
  serve(ask: Question): void {
    this.values.set(ask.key, (ask.seen as CachedValue).value);
    this.#count(ask, ask.state === 'stale' ? 'stale' : 'hit');
  }

  /** A value that had to be created or waited for. */
  created(ask: Question, value: unknown): void {
    this.values.set(ask.key, value);
    this.missed(ask);
  }

  /** There is none yet, or will be none. */
  missed(ask: Question): void {
    this.#count(ask, 'miss');
  }

  #count(ask: Question, as: 'hit' | 'stale' | 'miss'): void {
    if (ask.counted) return;
    ask.counted = true;
    if (as === 'miss') this.stats.miss(ask.key, ask.unread ? 'unavailable' : missReason(ask.state));
    else this.stats[as](ask.key);
  }
}

/** One key of getOrCreateMulti. */
export interface Ask extends Question {
  /** Ours, while we create. */
  flight: Flight<unknown> | undefined;
  /** The result of another call of this process. */
  joined: Promise<unknown> | undefined;
  /** Ends our flight. */
  settle: { resolve(value: unknown): void; reject(error: unknown): void };
  /** Another process holds its mutex in this round. */
  busy: boolean;
  /** Its mutex could not be had within lockTimeout. */
  gaveUp: boolean;
  /** The backend failed for it: neither lock nor store, it would cost another timeout. */
  down: boolean;
}

export function newAsk(key: string, stored: string): Ask {
  return {
    key,
    stored,
    seen: NO_VALUE,
    state: 'absent',
    flight: undefined,
    joined: undefined,
    settle: { resolve: () => {}, reject: () => {} },
    mutex: undefined,
    busy: false,
    gaveUp: false,
    down: false,
    counted: false,
    unread: false,
  };
}

/** By key, what a creator may build on: the values that could be served. */
export function staleValues(asks: readonly Question[]): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const { key, seen, state } of asks) {
    const value = staleOf(seen, state);
    if (value !== NO_VALUE) values.set(key, value);
  }
  return values;
}
