/** What is remembered of creators that failed: errors with a time to live, and pauses before the next try. */

import type { Plan } from './options.js';

interface Failure {
  readonly error: unknown;
  /** Epoch ms until which callers get the error. */
  readonly errorUntil: number;
  /** Epoch ms until which stale values are served without another try. */
  readonly backOffUntil: number;
}

/** Of one region in this process, by stored key. */
export class CreatorFailures {
  readonly #failures = new Map<string, Failure>();

  note(key: string, error: unknown, now: number, { errorTtl, backOff = 0 }: Plan): void {
    if (errorTtl === 0 && backOff === 0) return;
    this.#dropOldest(now);
    this.#failures.delete(key); // a repeated failure goes to the end of the order
    this.#failures.set(key, { error, errorUntil: now + errorTtl, backOffUntil: now + backOff });
  }

  /** The failure that callers of `key` get now. */
  remembered(key: string, now: number): { readonly error: unknown } | undefined {
    const failure = this.#failures.get(key);
    return failure !== undefined && now < failure.errorUntil ? failure : undefined;
  }

  backingOff(key: string, now: number): boolean {
    const failure = this.#failures.get(key);
    return failure !== undefined && now < failure.backOffUntil;
  }

  /** The key has a value again, or its user wants a new try. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  clear(): void {
    this.#failures.clear();
  }

  /** Two of the oldest for each that comes: keys that nobody asks for again do not pile up. */
  #dropOldest(now: number): void {
    let looks = Math.min(2, this.#failures.size);
    for (const [key, failure] of this.#failures) {
      if (looks-- === 0) return;
      this.#failures.delete(key);
      if (now < failure.errorUntil || now < failure.backOffUntil) this.#failures.set(key, failure); // to the end
    }
  }
}
