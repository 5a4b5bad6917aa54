/** Time that the tests move, and the ways to let promises run. */

import type { Clock } from '@stockpile/core';

export const START = 1_700_000_000_000;

export class TestClock implements Clock {
  time: number = START;

  now(): number {
    return this.time;
  }

  advance(ms: number): void {
    this.time += ms;
  }
}

/** Lets everything run that waits for no gate, timer or clock. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A promise that the test settles. */
export class Gate<T = void> {
  readonly promise: Promise<T>;
  open!: (value: T) => void;
  fail!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.open = resolve;
      this.fail = reject;
    });
    this.promise.catch(() => {});
  }
}

/** Whether the promise is still pending, once everything has run that can. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true;
  const end = (): void => {
    pending = false;
  };
  promise.then(end, end);
  await settle();
  return pending;
}

/** What the promise is rejected with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it was expected to fail');
}

/** Simulated time: sleepers wake in order, and time stands still while anything can run. */
export class VirtualTime extends TestClock {
  readonly #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  sleep(ms: number): Promise<void> {
    return new Promise((wake) => this.#sleepers.push({ at: this.time + ms, wake }));
  }

  /** Until nobody sleeps any more. */
  async run(): Promise<void> {
    for (;;) {
      await settle();
      if (this.#sleepers.length === 0) return;
      this.#sleepers.sort((a, b) => a.at - b.at);
      const next = this.#sleepers.shift();
      if (next === undefined) return;
      this.time = next.at;
      next.wake();
    }
  }
}
