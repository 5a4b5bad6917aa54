/** Key events beyond the suite of all backends: namespaces, patterns, and damaged messages. */

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RedisBackend } from '@stockpile/backend-redis';
import { createRegion, type KeyEvent } from '@stockpile/core';
import { type RunningServer, startRedis } from '@stockpile/servers';
import { Redis } from 'ioredis';
import { channelOf } from '../src/key-names.js';
import { flush } from './helpers/conformance.js';
import { entryOf, FOREVER } from './helpers/outage.js';

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
  driver = new RedisBackend({ port: server.port });
});
afterEach(() => driver.close());

/** What is heard until the key 'end' of the namespace of `prefix` has been written. */
async function heard(prefix: string, end: string, work: () => Promise<unknown>): Promise<string[]> {
  const events: KeyEvent[] = [];
  const ended = new Promise<void>((resolve) => {
    driver.subscribe(prefix, (event) => {
      if (event.key === end) resolve();
      else events.push(event);
    });
  });
  await work();
  await driver.set(end, entryOf(end), FOREVER);
  await ended;
  return events.map(({ type, key }) => `${type} ${key}`);
}

test('a prefix without a namespace hears all that begin with it', async () => {
  const texts = await heard('us', 'us:end', async () => {
    await driver.setMulti(
      new Map(['us', 'users:1', 'us:1', 'u:us', 'order:us'].map((key) => [key, entryOf(key)])),
      FOREVER,
    );
    await driver.clear('users:');
    await driver.clear('orders:');
    await driver.clear('');
  });
  expect(texts.sort()).toEqual(['clear undefined', 'clear undefined', 'set us', 'set us:1', 'set users:1']);
});

test('prefixes are taken literally', async () => {
  const texts = await heard('a*[b]?:', 'a*[b]?:end', () => driver.set('axb1:1', entryOf('x'), FOREVER));
  expect(texts).toEqual([]);
  expect(await heard('u*', 'u*:end', () => driver.set('users:1', entryOf('x'), FOREVER))).toEqual([]);
});

test('keys of all kinds come as they are', async () => {
  const keys = ['k:\n', 'k:ü😀', 'k:12:3', 'k::', 'k:\0'];
  const texts = await heard('k:', 'k:end', () =>
    driver.setMulti(new Map(keys.map((key) => [key, entryOf(key)])), FOREVER),
  );
  expect(texts).toEqual(keys.map((key) => `set ${key}`));
});

test('only what was there is told as deleted, and only what was stored as set', async () => {
  const texts = await heard('k:', 'k:end', async () => {
    await driver.delete('k:absent');
    const mutex = driver.getMutex('k:1');
    await mutex.acquire({ wait: 0 });
    await mutex.release();
    await driver.set('k:1', entryOf('late'), { ...FOREVER, mutex });
    await driver.set('k:2', entryOf('k:2'), FOREVER);
    await driver.deleteMulti(['k:1', 'k:2']);
  });
  expect(texts).toEqual(['set k:2', 'delete k:2']);
});

test('messages of others on our channel harm nobody', async () => {
  const texts = await heard('k:', 'k:end', async () => {
    for (const message of ['', 's', 'x', 's0123456789abcdef5', 's0123456789abcdef99:k:1', 's0123456789abcdefx:y']) {
      await redis.publish(channelOf('events', 'k:', 0), message);
    }
  });
  expect(texts.every((text) => text.startsWith('set k:1'))).toBe(true);
});

test('waitFor() of a region sees the write of another process', async () => {
  const region = createRegion({ name: 'k' }).configure('redis', { arguments: { port: server.port } });
  const other = createRegion({ name: 'k' }).configure('redis', { arguments: { port: server.port } });
  const waiting = region.waitFor('state', { equals: 'done', timeout: 4000 });
  await other.set('state', 'doing');
  await other.set('state', 'done');
  expect(await waiting).toBe(true);
  await region.close();
  await other.close();
});
