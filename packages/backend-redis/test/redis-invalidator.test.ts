/** Invalidation of a region by one backend, as another one sees it. */

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import '@stockpile/backend-redis';
import { createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { FaultProxy, type RunningServer, startRedis } from '@stockpile/servers';
import { Redis } from 'ioredis';
import { timesKey } from '../src/key-names.js';
import { flush } from './helpers/conformance.js';
import { recovery } from './helpers/outage.js';

let server: RunningServer;
let redis: Redis;
let proxy: FaultProxy;
const regions: Region[] = [];
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
  proxy = await FaultProxy.open(server);
});
afterEach(async () => {
  await Promise.all(regions.splice(0).map((region) => region.close()));
  await proxy.close();
});

function open(port = server.port): Region {
  const region = createRegion({ name: 'users' }).configure('redis', { timeout: 500, arguments: { port } });
  regions.push(region);
  return region;
}

/** Until a message has done its work. */
async function gone(region: Region, key: string): Promise<void> {
  await recovery(async () => expect(await region.get(key)).toBe(NO_VALUE));
}

test('holds no connection before the first operation', async () => {
  const region = open(proxy.port);
  await redis.ping();
  expect(proxy.accepted).toBe(0);
  await region.get('a');
  expect(proxy.accepted).toBe(2); // one for commands, one for messages
});

test('hard, soft and by tag, each heard by the other', async () => {
  const [one, other] = [open(), open()];
  await one.set('a', 1);
  await one.set('tagged', 1, { tags: ['x', 'ü'] });
  expect(await other.getMulti(['a', 'tagged'])).toEqual([1, 1]);
  await one.invalidate({ tags: ['ü'] });
  await gone(other, 'tagged');
  expect(await other.get('a')).toBe(1);
  await one.invalidate({ hard: false });
  await gone(other, 'a');
  expect(await other.get('a', { ignoreExpiration: true })).toBe(1);
  await one.invalidate();
  await one.set('b', 2);
  expect(await other.get('b')).toBe(2); // what is written after it is valid
});

test('who comes later knows of what was before', async () => {
  const one = open();
  await one.set('a', 1);
  await one.invalidate();
  expect(await open().get('a')).toBe(NO_VALUE);
});

test('the times are no key of the region, and clear() leaves them', async () => {
  const one = open();
  await one.set('a', 1);
  await one.invalidate();
  await one.set('b', 1);
  const keys: string[] = [];
  for await (const key of one.keys()) keys.push(key);
  expect(keys.sort()).toEqual(['a', 'b']);
  await one.clear();
  expect(await redis.keys('*')).toEqual([timesKey('users:')]);
});

test('what was invalidated during an interruption is known after it', async () => {
  const [one, cut] = [open(), open(proxy.port)];
  await one.set('a', 1);
  expect(await cut.get('a')).toBe(1);
  await proxy.fault('refuse');
  await one.invalidate();
  await proxy.heal();
  await gone(cut, 'a');
});

test('times that the server has lost are restored by who knows them', async () => {
  const one = open();
  await one.set('a', 1);
  await one.invalidate();
  await redis.del(timesKey('users:'));
  await one.getOrCreate('b', () => 2); // reads them before it stores
  expect(await redis.hkeys(timesKey('users:'))).toEqual(['h']);
  expect(await open().get('a')).toBe(NO_VALUE);
});

test('a whole-region invalidation makes older tags superfluous; tags do not pile up', async () => {
  const one = open();
  for (let i = 0; i < 5; i++) await one.invalidate({ tags: [`tag ${i}`], hard: i % 2 === 0 });
  expect(await redis.hlen(timesKey('users:'))).toBe(5);
  await one.invalidate({ hard: false });
  expect((await redis.hkeys(timesKey('users:'))).sort()).toEqual(['h:tag 0', 'h:tag 2', 'h:tag 4', 's']);
  await one.invalidate();
  expect(await redis.hkeys(timesKey('users:'))).toEqual(['h']);
});
