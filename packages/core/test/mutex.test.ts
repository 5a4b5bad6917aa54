/** The locks of one process, and what a region makes of them. */

import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { type CacheMutex, createRegion, LocalLocks } from '@stockpile/core';
import { VARIANTS } from './fixtures.js';

const NOW = { wait: 0 };
const FOREVER = { wait: Infinity };

afterEach(() => {
  jest.useRealTimers();
});

function locks(key: string, count: number): CacheMutex[] {
  const local = new LocalLocks();
  return Array.from({ length: count }, () => local.mutex(key));
}

describe('LocalLocks', () => {
  test('76: a free lock is acquired at once, without a promise; a second non-waiting acquire is false', () => {
    const [first, second] = locks('k', 2) as [CacheMutex, CacheMutex];
    expect(first.locked()).toBe(false);
    expect(first.acquire(NOW)).toBe(true);
    expect([first.locked(), second.locked()]).toEqual([true, true]);
    expect(second.acquire(NOW)).toBe(false);
    expect(first.release()).toBe(true);
    expect(first.locked()).toBe(false);
    expect(second.acquire(FOREVER)).toBe(true);
  });

  test('76: two keys are independent', () => {
    const local = new LocalLocks();
    expect(local.mutex('a').acquire(NOW)).toBe(true);
    expect(local.mutex('b').locked()).toBe(false);
    expect(local.mutex('b').acquire(NOW)).toBe(true);
  });

  test('77: release frees only a lock that is still ours', async () => {
    const [first, second, third] = locks('k', 3) as [CacheMutex, CacheMutex, CacheMutex];
    first.acquire(NOW);
    expect(second.release()).toBe(false);
    expect(third.acquire(NOW)).toBe(false);
    expect(third.release()).toBe(false);
    expect(first.locked()).toBe(true);
    const waiting = second.acquire(FOREVER);
    expect(second.release()).toBe(false); // not ours yet
    expect(first.release()).toBe(true);
    expect(first.release()).toBe(false); // it is the second's now
    expect(await waiting).toBe(true);
    expect(first.locked()).toBe(true);
    expect(second.release()).toBe(true);
    expect(first.locked()).toBe(false);
  });

  test('78: waiters are served in the order in which they came, each woken by the release', async () => {
    const mutexes = locks('k', 6);
    const order: number[] = [];
    mutexes[0]?.acquire(NOW);
    const waits = mutexes.slice(1).map(async (mutex, i) => {
      await mutex.acquire(FOREVER);
      order.push(i);
      expect(order).toHaveLength(i + 1);
      mutex.release();
    });
    mutexes[0]?.release();
    await Promise.all(waits);
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(mutexes[0]?.locked()).toBe(false);
  });

  test('78: a lock that is handed over is free for nobody in between', async () => {
    const [first, second, third] = locks('k', 3) as [CacheMutex, CacheMutex, CacheMutex];
    first.acquire(NOW);
    const waiting = second.acquire(FOREVER);
    first.release();
    expect(third.acquire(NOW)).toBe(false);
    expect(await waiting).toBe(true);
  });

  test('78: acquire ends at its bound, not before, and leaves the queue', async () => {
    jest.useFakeTimers();
    const [first, second, third] = locks('k', 3) as [CacheMutex, CacheMutex, CacheMutex];
    first.acquire(NOW);
    let outcome: unknown = 'waiting';
    const waiting = Promise.resolve(second.acquire({ wait: 100 })).then((value) => {
      outcome = value;
    });
    await jest.advanceTimersByTimeAsync(99);
    expect(outcome).toBe('waiting');
    await jest.advanceTimersByTimeAsync(1);
    await waiting;
    expect(outcome).toBe(false);
    const next = third.acquire(FOREVER);
    first.release();
    expect(await next).toBe(true);
    expect(second.release()).toBe(false);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('78: a wait beyond what a timer can hold does not end at once', async () => {
    jest.useFakeTimers();
    const [first, second] = locks('k', 2) as [CacheMutex, CacheMutex];
    first.acquire(NOW);
    let outcome: unknown = 'waiting';
    void Promise.resolve(second.acquire({ wait: 2 ** 31 })).then((value) => {
      outcome = value;
    });
    await jest.advanceTimersByTimeAsync(10_000);
    expect(outcome).toBe('waiting');
    first.release();
    await jest.advanceTimersByTimeAsync(0);
    expect(outcome).toBe(true);
  });

  test('76: an aborted signal ends the wait with false, before and during it, and leaves the queue', async () => {
    const [first, second, third, fourth] = locks('k', 4) as [CacheMutex, CacheMutex, CacheMutex, CacheMutex];
    expect(first.acquire({ wait: 0, signal: AbortSignal.abort() })).toBe(false);
    expect(first.locked()).toBe(false);
    first.acquire(NOW);
    const controller = new AbortController();
    const aborted = second.acquire({ wait: Infinity, signal: controller.signal });
    const stays = third.acquire({ wait: Infinity, signal: new AbortController().signal });
    controller.abort();
    expect(await aborted).toBe(false);
    first.release();
    expect(await stays).toBe(true);
    expect(fourth.acquire(NOW)).toBe(false);
    third.release();
    expect(fourth.acquire(NOW)).toBe(true);
  });

  test('76: an abort after the lock was had takes nothing away, and no listener stays behind', async () => {
    const [first, second] = locks('k', 2) as [CacheMutex, CacheMutex];
    const controller = new AbortController();
    first.acquire(NOW);
    const waiting = second.acquire({ wait: Infinity, signal: controller.signal });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    first.release();
    expect(await waiting).toBe(true);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    controller.abort();
    expect(second.locked()).toBe(true);
    expect(second.release()).toBe(true);
  });
});

describe.each(VARIANTS)('keyIsLocked of %s over %s', (_face, backend, of) => {
  test('76: is true while a creator runs, of that key only, and for other regions of the backend', async () => {
    const region = createRegion({ name: 'users' }).configure(backend);
    const twin = createRegion({ name: 'users' }).configure(region.actualBackend);
    const neighbour = createRegion({ name: 'orders' }).configure(region.actualBackend);
    const locked = async (): Promise<boolean[]> => [
      await of(region).keyIsLocked('k'),
      await of(twin).keyIsLocked('k'),
      await of(region).keyIsLocked('l'),
      await of(neighbour).keyIsLocked('k'),
    ];
    expect(await locked()).toEqual([false, false, false, false]);
    let during: boolean[] = [];
    await region.getOrCreate('k', async () => {
      during = await locked();
    });
    expect(during).toEqual([true, true, false, false]);
    expect(await locked()).toEqual([false, false, false, false]);
  });

  test('76: does not acquire', async () => {
    const region = createRegion().configure(backend);
    await of(region).keyIsLocked('k');
    await of(region).keyIsLocked('k');
    expect(await of(region).keyIsLocked('k')).toBe(false);
    expect(await of(region).getOrCreate('k', () => 1)).toBe(1);
  });

  test('36: is false after a creator has failed', async () => {
    const region = createRegion().configure(backend);
    const fail = (): never => {
      throw new Error('down');
    };
    await expect((async () => of(region).getOrCreate('k', fail))()).rejects.toThrow('down');
    expect(await of(region).keyIsLocked('k')).toBe(false);
  });
});

test('92: two regions of one backend never run two creators of a key at once', async () => {
  const backend = new MemoryBackend();
  const regions = [1, 2, 3].map(() => createRegion({ name: 'users' }).configure(backend));
  let running = 0;
  let created = 0;
  const create = async (): Promise<number> => {
    expect(++running).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return ++created;
  };
  const values = await Promise.all(regions.flatMap((region) => [1, 2].map(() => region.getOrCreate('k', create))));
  expect(values).toEqual([1, 1, 1, 1, 1, 1]);
});
