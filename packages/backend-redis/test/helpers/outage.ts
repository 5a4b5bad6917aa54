/** What the tests of outages have in common. */

import type { RedisBackend } from '@stockpile/backend-redis';
import { BackendTimeoutError, BackendUnavailableError, isCounterForm, NO_VALUE } from '@stockpile/core';

/** ms for each operation of the drivers under test. */
export const TIMEOUT = 400;
/** How much later than that an operation may settle, ms. */
const SLACK = 100;
/** A driver works again within so many ms. */
const RECOVERY = 2000;
export const FOREVER = { ttl: Infinity };

/** A value that tells whose it is. */
export function entryOf(key: string): Buffer {
  return Buffer.from(`value of ${key}`);
}

/** A counter as a region writes it. */
function counter(value: number): Buffer {
  const bytes = Buffer.alloc(22);
  bytes[0] = 0xa1;
  bytes[1] = 8;
  bytes.writeUInt32LE(8, 10);
  bytes.writeDoubleLE(value, 14);
  if (!isCounterForm(bytes)) throw new Error('the envelope has changed');
  return bytes;
}

/** Every operation, on keys that begin with `prefix`. */
export function operations(driver: RedisBackend, prefix: string): Record<string, () => Promise<unknown>> {
  const keys = Array.from({ length: 6 }, (_, i) => `${prefix}${i}`);
  const key = keys[0] as string;
  const values = new Map(keys.map((name) => [name, entryOf(name)]));
  return {
    get: () => driver.get(key).then((found) => check([key], [found])),
    getMulti: () => driver.getMulti(keys).then((found) => check(keys, found)),
    set: () => driver.set(key, entryOf(key), FOREVER),
    setMulti: () => driver.setMulti(values, FOREVER),
    delete: () => driver.delete(`${prefix}gone`),
    deleteMulti: () => driver.deleteMulti([`${prefix}gone`, `${prefix}away`]),
    increment: () => driver.increment(`${prefix}counter`, 1, counter(1), FOREVER),
    compareAndSet: () => driver.compareAndSet(key, entryOf(key), entryOf(key), { ttl: undefined }),
    keys: () => collect(driver.keys(prefix)),
    clear: () => driver.clear('nothing:'),
    acquire: () => driver.getMutex(`${prefix}lock`).acquire({ wait: 0 }),
    locked: () => driver.getMutex(key).locked(),
  };
}

async function collect(keys: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const key of keys) all.push(key);
  return all;
}

function check(keys: readonly string[], found: readonly unknown[]): void {
  for (const [i, key] of keys.entries()) {
    const bytes = found[i];
    if (bytes === NO_VALUE) continue;
    if (!(Buffer.isBuffer(bytes) && bytes.equals(entryOf(key)))) throw new Error(`'${key}' got ${String(bytes)}`);
  }
}

export interface Outcome {
  readonly name: string;
  readonly ms: number;
  readonly error: unknown;
}

/** How each of them ends. */
export async function settle(all: Record<string, () => Promise<unknown>>): Promise<Outcome[]> {
  return Promise.all(
    Object.entries(all).map(async ([name, work]) => {
      const start = performance.now();
      const error = await work().then(
        () => undefined,
        (failure: unknown) => failure,
      );
      return { name, ms: performance.now() - start, error };
    }),
  );
}

/** Those that took too long, or failed with something else than the two errors of an outage. */
export function faulty(outcomes: readonly Outcome[]): string[] {
  return outcomes.flatMap(({ name, ms, error }) => {
    const typed =
      error === undefined || error instanceof BackendUnavailableError || error instanceof BackendTimeoutError;
    if (!typed) return `${name}: ${String(error)}`;
    return ms > TIMEOUT + SLACK ? `${name}: ${ms.toFixed()} ms` : [];
  });
}

/** ms until `work` succeeds; throws its last error if that takes too long. */
export async function recovery(work: () => Promise<unknown>, most: number = RECOVERY): Promise<number> {
  const start = performance.now();
  for (;;) {
    try {
      await work();
      return performance.now() - start;
    } catch (error) {
      if (performance.now() - start > most) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Collects what is printed and what nobody catches, until it is disposed of. */
export function watch(): { readonly heard: unknown[]; stop(): void } {
  const heard: unknown[] = [];
  const note = (...what: unknown[]): void => void heard.push(...what);
  const methods = ['log', 'info', 'warn', 'error', 'debug'] as const;
  const originals = methods.map((name) => [name, console[name]] as const);
  for (const name of methods) console[name] = note;
  process.on('unhandledRejection', note);
  return {
    heard,
    stop: () => {
      for (const [name, original] of originals) console[name] = original;
      process.off('unhandledRejection', note);
    },
  };
}
