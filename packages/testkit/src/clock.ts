/** A clock that stands still until a test moves it. */

import type { Clock } from '@stockpile/core';

/**
 * Hand it to `createRegion({ clock })` or to a driver: time passes only in `advance`.
 * @example
 * const clock = new ManualClock();
 * clock.advance(1000); // one second later
 */
export class ManualClock implements Clock {
  #now = Date.UTC(2024, 0, 1);

  /** Epoch milliseconds. */
  now(): number {
    return this.#now;
  }

  /** Moves the time forward by `ms`. */
  advance(ms: number): void {
    this.#now += ms;
  }
}
