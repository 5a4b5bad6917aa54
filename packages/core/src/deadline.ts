/** The bound on every wait for a backend. */

import { MAX_TIMER_MS } from './mutex.js';

/** `work`, or `otherwise` after `ms`. */
export function within<T, U>(work: PromiseLike<T>, ms: number, otherwise: U): Promise<T | U> {
  return withDeadline<T | U>(work, ms, () => TOO_LATE).catch((error) => {
    if (error === TOO_LATE) return otherwise;
    throw error;
  });
}

/** What `within` may answer with. */
export const LATE: unique symbol = Symbol('late');
/** Compared only: an error of its own for each wait would cost a stack trace. */
const TOO_LATE = new Error('late');

/** `work`, or a rejection with `late()` after `ms`. The timer is gone once either is settled. */
export function withDeadline<T>(work: PromiseLike<T>, ms: number, late: () => Error): Promise<T> {
  if (ms > MAX_TIMER_MS) return Promise.resolve(work);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), Math.ceil(ms));
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
