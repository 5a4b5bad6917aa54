/** The bound on every wait for a backend. */

import { MAX_TIMER_MS } from './mutex.js';

/** `work`, or a rejection with `late()` after `ms`. The timer is gone once either is settled. */
export function withDeadline<T>(work: PromiseLike<T>, ms: number, late: () => Error): Promise<T> {
  if (ms > MAX_TIMER_MS) return Promise.resolve(work);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), ms);
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
