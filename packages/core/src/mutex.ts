/** What guarantees one creator per key, and the locks of this process. */

import { onAbort } from './abort.js';
import type { Awaitable } from './awaitable.js';

/** One holder's claim on one key. A backend makes a new one for each creation. It may be asked again until it is ours. */
export interface CacheMutex {
  /**
   * True once the lock is ours; false when it could not be had within `wait` ms (0: do not wait; Infinity is allowed)
   * or `signal` was aborted. A backend that polls does so at least every 250 ms.
   */
  acquire(options: AcquireOptions): Awaitable<boolean>;
  /** Frees the lock if it is still ours; false when it was lost meanwhile. Never frees another's lock. */
  release(): Awaitable<boolean>;
  /** Whether anybody holds the lock of this key now. Does not acquire. */
  locked(): Awaitable<boolean>;
  /** A number that grows with each holder, where the backend has fenced locks. */
  readonly fence?: number | bigint | undefined;
}

export interface AcquireOptions {
  readonly wait: number;
  readonly signal?: AbortSignal | undefined;
}

/** The locks of one process: per key a holder and a first-come queue. A key's state vanishes when nobody uses it. */
export class LocalLocks {
  readonly #held = new Map<string, Set<() => void>>();

  mutex(key: string): CacheMutex {
    const held = this.#held;
    let ours = false;
    const take = (): boolean => {
      if (held.has(key)) return false;
      held.set(key, new Set());
      ours = true;
      return true;
    };
    return {
      acquire: ({ wait, signal }) => {
        if (signal?.aborted) return false;
        const waiters = held.get(key);
        if (waiters === undefined) return take();
        return wait <= 0 ? false : this.#wait(waiters, wait, signal).then((granted) => (ours = granted));
      },
      release: () => {
        if (!ours) return false;
        ours = false;
        const waiters = held.get(key) ?? new Set();
        const [next] = waiters;
        if (next === undefined) held.delete(key);
        else next();
        return true;
      },
      locked: () => held.has(key),
    };
  }

  /** Resolves true when the lock has been handed over to this waiter. */
  #wait(waiters: Set<() => void>, wait: number, signal: AbortSignal | undefined): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (granted: boolean): void => {
        waiters.delete(grant);
        clearTimeout(timer);
        listening?.[Symbol.dispose]();
        resolve(granted);
      };
      const grant = (): void => settle(true);
      const giveUp = (): void => settle(false);
      const timer = wait <= MAX_TIMER_MS ? setTimeout(giveUp, wait) : undefined;
      const listening = signal && onAbort(signal, giveUp);
      waiters.add(grant);
    });
  }
}

/** setTimeout overflows beyond this many ms (24.8 days) and would fire at once. */
export const MAX_TIMER_MS = 2_147_483_647;
