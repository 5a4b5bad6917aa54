/** Sets of one turn of the event loop, which go to the server together. */

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RedisBackend } from '@stockpile/backend-redis';
import { createRegion, NO_VALUE, ValueTooLargeError } from '@stockpile/core';
import { type RunningServer, startRedis } from '@stockpile/servers';
import { Redis } from 'ioredis';
import { flush } from './helpers/conformance.js';
import { entryOf, FOREVER, TIMEOUT } from './helpers/outage.js';

let server: RunningServer;
let redis: Redis;
let driver: RedisBackend;

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
  driver = new RedisBackend({ port: server.port, timeout: 2000, maxValueBytes: '4M' });
});
afterEach(() => driver.close());

async function scripts(): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0);
}

test('a hundred are one script', async () => {
  await driver.set('first', entryOf('first'), FOREVER);
  await redis.config('RESETSTAT');
  const keys = Array.from({ length: 100 }, (_, i) => `k:${i}`);
  const stored = await Promise.all(keys.map((key) => driver.set(key, entryOf(key), { ttl: 60_000 })));
  expect(stored).toEqual(keys.map(() => true));
  expect(await scripts()).toBe(1);
  expect(await driver.getMulti(keys)).toEqual(keys.map(entryOf));
  expect(await redis.pttl('k:99')).toBeGreaterThan(50_000);
});

test('the last one of a key wins, whatever its ttl, and what is called after it comes after it', async () => {
  const calls = [
    driver.set('a', entryOf('1'), FOREVER),
    driver.set('a', entryOf('2'), { ttl: 60_000 }),
    driver.set('a', entryOf('3'), FOREVER),
    driver.set('b', entryOf('b'), FOREVER),
    driver.delete('b'),
    driver.set('c', entryOf('c'), FOREVER),
    driver.setMulti(new Map([['c', entryOf('later')]]), FOREVER),
    driver.set('d', entryOf('d'), FOREVER),
    driver.compareAndSet('d', entryOf('d'), entryOf('swapped'), { ttl: undefined }),
  ];
  expect(await Promise.all(calls)).toEqual([true, true, true, true, true, true, [], true, true]);
  expect(await driver.getMulti(['a', 'b', 'c', 'd'])).toEqual([
    entryOf('3'),
    NO_VALUE,
    entryOf('later'),
    entryOf('swapped'),
  ]);
  expect(await redis.pttl('a')).toBe(-1);
});

test('the order of calls holds for a server that knows only some of the scripts', async () => {
  await redis.script('FLUSH');
  await driver.delete('known');
  const outcome = await Promise.all([driver.set('a', entryOf('a'), FOREVER), driver.delete('a')]);
  expect(outcome).toEqual([true, true]);
  expect(await driver.get('a')).toBe(NO_VALUE);
  await redis.script('FLUSH'); // forgotten while connected
  await driver.set('a', entryOf('a'), FOREVER);
  expect(await driver.get('a')).toEqual(entryOf('a'));
});

test('events come in the order of the calls', async () => {
  const events: unknown[] = [];
  driver.subscribe('k:', ({ type, key }) => events.push([type, key]));
  await driver.set('k:0', entryOf('0'), FOREVER);
  void driver.set('k:1', entryOf('1'), FOREVER);
  void driver.set('k:2', entryOf('2'), { ttl: 60_000 });
  void driver.set('k:1', entryOf('1'), FOREVER);
  await driver.delete('k:1');
  while (events.length < 5) await driver.get('k:0');
  const told = ['set k:0', 'set k:1', 'set k:2', 'set k:1', 'delete k:1'];
  expect(events).toEqual(told.map((event) => event.split(' ')));
});

test('each has its own fence and its own limit', async () => {
  const [held, lost] = [driver.getMutex('held'), driver.getMutex('lost')];
  for (const mutex of [held, lost]) await mutex.acquire({ wait: 0 });
  await driver.delete('lost');
  const outcomes = await Promise.allSettled([
    driver.set('held', entryOf('held'), { ...FOREVER, mutex: held }),
    driver.set('lost', entryOf('lost'), { ...FOREVER, mutex: lost }),
    driver.set('free', entryOf('free'), FOREVER),
    driver.set('huge', Buffer.alloc(5 * 2 ** 20), FOREVER),
  ]);
  expect(outcomes).toMatchObject([{ value: true }, { value: false }, { value: true }, { reason: {} }]);
  expect(outcomes[3]).toMatchObject({ reason: expect.any(ValueTooLargeError) });
  expect(await driver.getMulti(['held', 'lost', 'free'])).toEqual([entryOf('held'), NO_VALUE, entryOf('free')]);
});

test('large values go in requests of their own', async () => {
  await driver.set('first', entryOf('first'), FOREVER);
  await redis.config('RESETSTAT');
  const values = new Map(Array.from({ length: 4 }, (_, i) => [`k:${i}`, Buffer.alloc(700_000, i)]));
  expect(await driver.setMulti(values, FOREVER)).toEqual([]);
  expect(await scripts()).toBe(4);
  const found = (await driver.getMulti([...values.keys()])) as Buffer[];
  expect(found.map((value, i) => value.equals(values.get(`k:${i}`) as Buffer))).toEqual([true, true, true, true]);
});

test('in an outage each call has an error of its own, that names its key', async () => {
  const region = createRegion({ name: 'r' }).configure('redis', { timeout: TIMEOUT, arguments: { port: 1 } });
  const calls = ['a', 'b', 'c'].flatMap((key) => [region.get(key), region.set(key, 1)]);
  const outcomes = (await Promise.allSettled(calls)) as PromiseRejectedResult[];
  expect(outcomes.map(({ reason }) => reason.key)).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
  expect(new Set(outcomes.map(({ reason }) => reason)).size).toBe(6);
  await region.close();
});
