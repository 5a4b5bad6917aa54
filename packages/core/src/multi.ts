/** One operation for each of many keys. */

import { type Awaitable, chain, isPromise } from './awaitable.js';
import { StockpileError } from './errors.js';
import { typedFailure } from './typed-failure.js';

/**
 * `one(key)` for each key, without promises where every answer is at hand. All are tried; then, if some failed, throws
 * the first failure with `keys` naming them all, and `found`, the answers for the others.
 */
export function eachKey<T>(keys: readonly string[], one: (key: string) => Awaitable<T>): Awaitable<T[]> {
  const failures = new Failures();
  const answers: Awaitable<T | undefined>[] = [];
  let promised = false;
  for (const key of keys) {
    try {
      const answer = one(key);
      promised ||= isPromise(answer);
      answers.push(isPromise(answer) ? answer.then(undefined, failures.noting(key)) : answer);
    } catch (error) {
      answers.push(failures.noting(key)(error));
    }
  }
  return chain(promised ? Promise.all(answers) : (answers as (T | undefined)[]), (all) => {
    failures.throwIfAny(all);
    return all as T[];
  });
}

/** Collects what failed in a multi operation, so that one bad key does not poison the others. */
export class Failures {
  readonly #keys: string[] = [];
  #first: unknown;

  /** A handler that notes the failure of `keys`, or of those that the error names. */
  noting(...keys: string[]): (error: unknown) => undefined {
    return (error) => {
      if (this.#keys.length === 0) this.#first = error;
      this.#keys.push(...((error instanceof StockpileError && error.keys) || keys));
    };
  }

  /** `found`: what was found for the other keys, aligned with those asked for. */
  throwIfAny(found?: readonly unknown[]): void {
    if (this.#keys.length === 0) return;
    const failure = typedFailure(this.#first, 'an operation of many keys');
    failure.keys = this.#keys;
    failure.found = found;
    throw failure;
  }
}
