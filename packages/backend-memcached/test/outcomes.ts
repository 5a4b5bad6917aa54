/** What became of operations whose server fails: when they were settled, and how. */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { expect } from '@jest/globals';
import { NO_VALUE, StockpileError } from '@stockpile/core';
import type { MemcachedBackend } from '../src/index.js';

/** ms for each operation of the drivers in these tests. */
export const TIMEOUT = 400;
/** ms beyond the timeout in which an operation must be settled. */
const SLACK = 100;
const OUTAGE = new Set(['ERR_STOCKPILE_BACKEND_UNAVAILABLE', 'ERR_STOCKPILE_BACKEND_TIMEOUT']);

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));
export const textIn = (bytes: unknown): string => Buffer.from(bytes as Uint8Array).toString();
const FOREVER = { ttl: Number.POSITIVE_INFINITY };

/** A counter as a region makes it. */
export function counterOf(value: number): Uint8Array {
  const bytes = Buffer.alloc(22);
  bytes[0] = 0xa1;
  bytes[1] = 8;
  bytes.writeUInt32LE(8, 10);
  bytes.writeDoubleLE(value, 14);
  return bytes;
}

/** Every operation of the contract, on keys of the namespace `users`. */
export const OPERATIONS: Readonly<Record<string, (driver: MemcachedBackend) => unknown>> = {
  get: (driver) => driver.get('users:a'),
  getMulti: (driver) => driver.getMulti(['users:a', 'users:b', 'users:c']),
  set: (driver) => driver.set('users:set', bytesOf('users:set'), FOREVER),
  setMulti: (driver) => driver.setMulti(new Map([['users:set', bytesOf('users:set')]]), FOREVER),
  delete: (driver) => driver.delete('users:gone'),
  deleteMulti: (driver) => driver.deleteMulti(['users:gone']),
  increment: (driver) => driver.increment('users:count', 1, counterOf(1), FOREVER),
  compareAndSet: (driver) => driver.compareAndSet('users:set', NO_VALUE, bytesOf('users:set'), FOREVER),
  clear: (driver) => driver.clear('others:'),
  acquire: (driver) => driver.getMutex('users:a').acquire({ wait: 0 }),
  locked: (driver) => driver.getMutex('users:a').locked(),
};

/** Settles within the timeout and 100 ms; how late this process itself was does not count. */
export async function inTime<T>(
  what: string,
  work: () => T | PromiseLike<T>,
): Promise<PromiseSettledResult<Awaited<T>>> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const start = performance.now();
  const [outcome] = await Promise.allSettled([(async () => work())()]);
  const took = performance.now() - start;
  delay.disable();
  const late = delay.max / 1e6;
  if (took > TIMEOUT + SLACK + late) throw new Error(`${what} took ${took.toFixed()} ms`);
  return outcome as PromiseSettledResult<Awaited<T>>;
}

/** Settles in time, with one of the errors of an outage. */
export async function failsInTime(what: string, work: () => unknown): Promise<StockpileError> {
  const error = await settlesInTime(what, work);
  if (error === undefined) throw new Error(`${what} must fail`);
  return error;
}

/** Settles in time; a failure is one of an outage. */
export async function settlesInTime(what: string, work: () => unknown): Promise<StockpileError | undefined> {
  const outcome = await inTime(what, work);
  if (outcome.status === 'fulfilled') return undefined;
  expect(outcome.reason).toBeInstanceOf(StockpileError);
  expect([what, OUTAGE.has(outcome.reason.code), outcome.reason.message]).toEqual([what, true, expect.any(String)]);
  return outcome.reason;
}

/** ms until the driver stores and reads again. */
export async function recovery(driver: MemcachedBackend): Promise<number> {
  const start = performance.now();
  for (;;) {
    try {
      await driver.set('users:back', bytesOf('users:back'), FOREVER);
      expect(textIn(await driver.get('users:back'))).toBe('users:back');
      return performance.now() - start;
    } catch (error) {
      if (!(error instanceof StockpileError) || performance.now() - start > 10_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
