/** Bounds on many waits with one timer: a timer for each would be a tenth of what a call of a server costs. */

import { MAX_TIMER_MS } from './mutex.js';

interface Wait {
  /** When it is over, of `performance.now()`. */
  readonly at: number;
  readonly expire: () => void;
}

/** Waits that end at other times each cost a look when the timer fires. */
export class Deadlines {
  readonly #waits = new Set<Wait>();
  #timer: NodeJS.Timeout | undefined;
  #firesAt = Infinity;

  /**
   * `work`, or a rejection with `late()` once `performance.now()` is `at`; in both cases `typed` makes the error of it.
   * Who waits keeps the process alive.
   */
  bound<T>(
    work: PromiseLike<T>,
    at: number,
    late: () => Error,
    typed: (error: unknown) => unknown = (error) => error,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const wait = { at, expire: () => reject(typed(late())) };
      this.#waits.add(wait);
      if (at < this.#firesAt) this.#arm(at);
      else if (this.#waits.size === 1) this.#timer?.ref();
      work.then(
        (value) => {
          this.#settled(wait);
          resolve(value);
        },
        (error) => {
          if (this.#settled(wait)) reject(typed(error)); // else it was late, and nobody asks what became of it
        },
      );
    });
  }

  /** The timer goes on: it is cheaper to find nothing now and then. */
  #settled(wait: Wait): boolean {
    const waited = this.#waits.delete(wait);
    if (waited && this.#waits.size === 0) this.#timer?.unref();
    return waited;
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#firesAt = at;
    const ms = Math.min(Math.max(1, Math.ceil(at - performance.now())), MAX_TIMER_MS);
    // what has arrived is read first: a process that was busy must not take that for silence
    this.#timer = setTimeout(() => setImmediate(() => this.#fire()), ms);
  }

  #fire(): void {
    const now = performance.now();
    this.#firesAt = Infinity;
    let next = Infinity;
    for (const wait of this.#waits) {
      if (wait.at > now) next = Math.min(next, wait.at);
      else {
        this.#waits.delete(wait);
        wait.expire();
      }
    }
    if (next < Infinity) this.#arm(next);
  }
}
