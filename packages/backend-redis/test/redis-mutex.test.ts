/** Locks: the lease and its renewal, wake-ups, and what is stored by whom. */

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RedisBackend } from '@stockpile/backend-redis';
import { NO_VALUE } from '@stockpile/core';
import { FaultProxy, type RunningServer, startRedis } from '@stockpile/servers';
import { Redis } from 'ioredis';
import { lockKey } from '../src/key-names.js';
import { flush } from './helpers/conformance.js';
import { entryOf, FOREVER } from './helpers/outage.js';

const LEASE = 300;
const NO_WAIT = { wait: 0 };

let server: RunningServer;
let redis: Redis;
let driver: RedisBackend;
let other: RedisBackend;
beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});
beforeEach(async () => {
  await flush(server.port);
  driver = new RedisBackend({ port: server.port, lease: LEASE });
  other = new RedisBackend({ port: server.port, lease: LEASE });
});
afterEach(async () => {
  await driver.close();
  await other.close();
});

test('a lock is renewed while it is held, and ends with its lease when nobody renews it', async () => {
  const mutex = driver.getMutex('k');
  await mutex.acquire(NO_WAIT);
  await new Promise((resolve) => setTimeout(resolve, 3 * LEASE));
  expect(await other.getMutex('k').locked()).toBe(true);
  expect(await redis.pttl(lockKey('k'))).toBeLessThanOrEqual(LEASE);
  await driver.close(); // as if it were gone
  await new Promise((resolve) => setTimeout(resolve, LEASE + 50));
  expect(await other.getMutex('k').locked()).toBe(false);
});

test('a waiter is woken by the message, faster than any poll', async () => {
  const first = driver.getMutex('warm');
  await first.acquire(NO_WAIT);
  expect(await other.getMutex('warm').acquire({ wait: 20 })).toBe(false); // it listens from now on
  const holder = driver.getMutex('k');
  await holder.acquire(NO_WAIT);
  const took: number[] = [];
  for (let round = 0; round < 5; round++) {
    const waiter = other.getMutex('k');
    const waiting = waiter.acquire({ wait: 5000 });
    await new Promise((resolve) => setTimeout(resolve, 400)); // by now it polls each 250 ms
    const start = performance.now();
    await (round === 0 ? holder : driver.getMutex('k')).release();
    if (round > 0) await driver.delete('k'); // frees the lock of whoever has it
    expect(await waiting).toBe(true);
    took.push(performance.now() - start);
  }
  expect(took.sort((a, b) => a - b)[2]).toBeLessThan(50);
});

test('without a message it is found by polling, within 250 ms', async () => {
  const holder = driver.getMutex('k');
  await holder.acquire(NO_WAIT);
  const waiting = other.getMutex('k').acquire({ wait: 5000 });
  await new Promise((resolve) => setTimeout(resolve, 400));
  const start = performance.now();
  await redis.del(lockKey('k'));
  expect(await waiting).toBe(true);
  expect(performance.now() - start).toBeLessThan(350);
});

const writes: Record<string, () => Promise<unknown>> = {
  set: () => other.set('k', entryOf('by other'), FOREVER),
  setMulti: () => other.setMulti(new Map([['k', entryOf('by other')]]), FOREVER),
  delete: () => other.delete('k'),
  deleteMulti: () => other.deleteMulti(['k', 'l']),
  clear: () => other.clear('k'),
  compareAndSet: () => other.compareAndSet('k', NO_VALUE, entryOf('by other'), FOREVER),
  increment: () => other.increment('k', 1, Buffer.alloc(22), FOREVER),
};
for (const [name, write] of Object.entries(writes)) {
  test(`${name}() of anybody takes the lock away: what is created stores nothing`, async () => {
    const mutex = driver.getMutex('k');
    await mutex.acquire(NO_WAIT);
    await write();
    const after = await driver.get('k');
    expect(await driver.set('k', entryOf('late'), { ...FOREVER, mutex })).toBe(false);
    expect(await driver.get('k')).toEqual(after);
    expect(await mutex.release()).toBe(false);
  });
}

test('a store gives the lock back in the same step; release() then says that it was ours, once', async () => {
  const mutex = driver.getMutex('k');
  await mutex.acquire(NO_WAIT);
  expect(await driver.set('k', entryOf('k'), { ...FOREVER, mutex })).toBe(true);
  expect(await other.getMutex('k').locked()).toBe(false);
  expect(await driver.set('k', entryOf('again'), { ...FOREVER, mutex })).toBe(false);
  expect(await mutex.release()).toBe(true);
  expect(await mutex.release()).toBe(false);
});

test('a lock whose answer was lost is given up again, long before its lease ends', async () => {
  const proxy = await FaultProxy.open(server);
  const cut = new RedisBackend({ port: proxy.port, timeout: 200, lease: 60_000 });
  await cut.getMutex('warm').acquire(NO_WAIT);
  await proxy.fault('halfAnswer');
  await expect(cut.getMutex('k').acquire(NO_WAIT)).rejects.toThrow(/no answer/);
  expect(await redis.exists(lockKey('k'))).toBe(1);
  await proxy.heal();
  const until = performance.now() + 3000;
  while ((await redis.exists(lockKey('k'))) === 1 && performance.now() < until);
  expect(await redis.exists(lockKey('k'))).toBe(0);
  await cut.close();
  await proxy.close();
});
