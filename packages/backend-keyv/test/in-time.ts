/** Time limits that a busy machine does not break: what stops the whole process stops the measure too. */

import assert from 'node:assert/strict';
import { StockpileError } from '@stockpile/core';

/** ms beyond its timeout in which an operation must settle. */
const MARGIN = 100;

/** What `work` came to; fails where a timer of `timeout` + 100 ms, set together with it, was first. */
export async function settledInTime<T>(work: () => PromiseLike<T> | T, timeout: number): Promise<T> {
  let control: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    control = setTimeout(() => reject(new assert.AssertionError({ message: 'not settled in time' })), timeout + MARGIN);
  });
  try {
    return await Promise.race([Promise.resolve().then(work), late]);
  } finally {
    clearTimeout(control);
  }
}

/** The error with which `work` failed, in time. */
export async function failureInTime(work: () => unknown, timeout: number): Promise<StockpileError> {
  const error = await settledInTime(
    () =>
      Promise.resolve()
        .then(work)
        .then(
          (answer) => `an answer: ${String(answer)}`,
          (reason: unknown) => reason,
        ),
    timeout,
  );
  assert.ok(error instanceof StockpileError, `a StockpileError was expected, not ${String(error)}`);
  return error;
}

/** Calls until it succeeds; fails where that takes more than 2 s, a stop of the process not counted. */
export async function recovery(work: () => unknown, timeout: number): Promise<void> {
  let waited = 0;
  for (;;) {
    const start = performance.now();
    try {
      await work();
      return;
    } catch (error) {
      assert.ok(error instanceof StockpileError && waited < 2000, `no recovery within 2 s: ${String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
      waited += Math.min(performance.now() - start, timeout + MARGIN);
    }
  }
}
