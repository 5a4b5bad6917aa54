/** The bookkeeping of getOrCreateMulti. */

import { NO_VALUE } from './cached-value.js';
import { type Freshness, staleOf } from './freshness.js';
import type { CacheMutex } from './mutex.js';
import type { Found } from './region-core.js';
import type { Flight } from './single-flight.js';

/** One key of the call that has no value yet. */
export interface Ask {
  readonly key: string;
  readonly stored: string;
  seen: Found;
  state: Freshness;
  /** Ours, while we create. */
  flight: Flight<unknown> | undefined;
  /** The result of another call of this process. */
  joined: Promise<unknown> | undefined;
  /** Ends our flight. */
  settle: { resolve(value: unknown): void; reject(error: unknown): void };
  /** Ours, while held. */
  mutex: CacheMutex | undefined;
  /** Another process holds its mutex in this round. */
  busy: boolean;
  /** Its mutex could not be had within lockTimeout. */
  gaveUp: boolean;
  /** Whether the statistics have it. */
  counted: boolean;
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
    counted: false,
  };
}

/** By key, what a creator may build on: the values that could be served. */
export function staleValues(asks: readonly Pick<Ask, 'key' | 'seen' | 'state'>[]): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const { key, seen, state } of asks) {
    const value = staleOf(seen, state);
    if (value !== NO_VALUE) values.set(key, value);
  }
  return values;
}
