/** What the suite of all backends does not know: Redis, its types, its errors, and the clients of an application. */

import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { RedisBackend } from '@stockpile/backend-redis';
import { createRegion, NO_VALUE } from '@stockpile/core';
import { type RunningServer, startRedis } from '@stockpile/servers';
import { Redis } from 'ioredis';
import { flush } from './helpers/conformance.js';
import { FOREVER } from './helpers/outage.js';

const VALUE = Buffer.from('value');

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

test('one entry is one string key, with the bytes as they are and the ttl in ms', async () => {
  await driver.set('a', VALUE, { ttl: 50_000.2 });
  expect(await redis.getBuffer('a')).toEqual(VALUE);
  const ttl = await redis.pttl('a');
  expect(ttl).toBeGreaterThan(49_000);
  expect(ttl).toBeLessThanOrEqual(50_001);
  for (const endless of [Infinity, 1e21]) {
    await driver.set('a', VALUE, { ttl: endless });
    expect(await redis.pttl('a')).toBe(-1);
  }
  await driver.set('b', VALUE, { ttl: 0.01 }); // at least a millisecond, and no error
});

test('a timeout of Infinity is none', async () => {
  const patient = new RedisBackend({ port: server.port, timeout: Infinity });
  await patient.set('a', VALUE, FOREVER);
  expect(await patient.get('a')).toEqual(VALUE);
  await patient.close();
});

test('what is no string under a key of ours is a miss, is not listed, and is overwritten', async () => {
  await redis.hset('a', 'field', '1');
  await redis.lpush('b', '1');
  await redis.sadd('c', '1');
  expect(await driver.get('a')).toBe(NO_VALUE);
  expect(await driver.getMulti(['a', 'b'])).toEqual([NO_VALUE, NO_VALUE]);
  expect(await driver.compareAndSet('b', NO_VALUE, VALUE, FOREVER)).toBe(true);
  await driver.setMulti(new Map([['a', VALUE]]), FOREVER);
  expect(await driver.getMulti(['a', 'b'])).toEqual([VALUE, VALUE]);
  const keys: string[] = [];
  for await (const key of driver.keys('')) keys.push(key);
  expect(keys.sort()).toEqual(['a', 'b']);
});

test('get() calls of one turn are one command', async () => {
  await driver.set('k0', VALUE, FOREVER);
  const before = await commands();
  await Promise.all(Array.from({ length: 100 }, (_, i) => driver.get(`k${i}`)));
  expect(await commands()).toMatchObject({ mget: (before.mget ?? 0) + 1, get: before.get });
});

test('a creation takes four commands: look, lock, look again, store and free', async () => {
  const region = createRegion({ name: 'r', clock: { now: Date.now } }).configure(driver);
  await region.getOrCreate('warm', () => 1);
  await redis.config('RESETSTAT');
  await region.getOrCreate('a', () => 1);
  const { get = 0, evalsha = 0, hgetall = 0 } = await commands();
  expect({ evalsha, hgetall }).toEqual({ evalsha: 3, hgetall: 1 }); // acquire, store; invalidations
  expect(get).toBeLessThanOrEqual(3); // two reads, and one in the script of the store
  expect(await redis.keys('*lock*')).toEqual([]);
});

test('locks are neither listed nor left behind', async () => {
  const mutex = driver.getMutex('k:1');
  await mutex.acquire({ wait: 0 });
  await driver.set('k:2', VALUE, FOREVER);
  const keys: string[] = [];
  for await (const key of driver.keys('')) keys.push(key);
  expect(keys).toEqual(['k:2']);
  await driver.clear('k:');
  expect(await mutex.locked()).toBe(false);
  expect(await redis.dbsize()).toBe(0);
});

test('databases are apart, also in what they tell', async () => {
  const other = new RedisBackend({ port: server.port, db: 1 });
  const heard: unknown[] = [];
  driver.subscribe('k:', (event) => heard.push(event));
  await other.set('k:1', VALUE, FOREVER);
  await driver.set('k:2', VALUE, FOREVER);
  expect(await driver.get('k:1')).toBe(NO_VALUE);
  while (heard.length === 0) await driver.get('k:2');
  expect(heard).toEqual([{ type: 'set', key: 'k:2', local: true }]);
  await other.close();
});

test('events: false sends no messages and declares none', async () => {
  const quiet = new RedisBackend({ port: server.port, events: 'false' });
  expect(quiet.capabilities.has('events')).toBe(false);
  expect(() => quiet.subscribe('', () => {})).toThrow(/'events'/);
  await redis.config('RESETSTAT');
  await quiet.set('a', VALUE, FOREVER);
  await quiet.clear('a');
  expect((await commands()).publish).toBeUndefined();
  await quiet.close();
});

test("the application's client is not closed, and keeps its listeners", async () => {
  const listeners = redis.listenerCount('error');
  const own = new RedisBackend({ client: redis });
  await own.set('a', VALUE, FOREVER);
  const subscription = own.subscribe('', () => {});
  await own.get('a');
  subscription[Symbol.dispose]();
  await own.close();
  expect(await redis.ping()).toBe('PONG');
  expect(redis.listenerCount('error')).toBe(listeners);
  await expect(own.get('a')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
});

async function failureOf(
  args: ConstructorParameters<typeof RedisBackend>[0],
  work = (d: RedisBackend) => d.set('a', VALUE, FOREVER),
): Promise<Error> {
  const own = new RedisBackend(args);
  try {
    return await work(own).then(
      () => new Error('it did not fail'),
      (error: Error) => error,
    );
  } finally {
    await own.close();
  }
}

test('passwords, databases and rights that are wrong are named, with what to do', async () => {
  const guarded = await startRedis({ password: 'right', args: ['--databases', '2'] });
  const { port } = guarded;
  const admin = new Redis(port, { password: 'right' });
  await admin.acl('SETUSER', 'reader', 'on', '>pw', '~*', '&*', '+get', '+mget');
  const failures: [object, RegExp][] = [
    [{ port }, /NOAUTH.*give 'password'/],
    [{ port, password: 'wrong-one' }, /WRONGPASS.*refuses 'username' or 'password'/],
    [{ port, password: 'right', db: 7 }, /DB index.*see 'db'/],
    [{ port, username: 'reader', password: 'pw' }, /NOPERM.*ACL/],
    [{ port: server.port, password: 'needless' }, /leave 'password' out/],
  ];
  for (const [args, message] of failures) {
    const error = await failureOf(args);
    expect(error).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', cause: expect.any(Error) });
    expect(error.message).toMatch(message);
    expect(inspect(error, { depth: 9 })).not.toContain('wrong-one');
  }
  expect(await failureOf({ port, password: 'right', db: 1 })).toMatchObject({ message: 'it did not fail' });
  admin.disconnect();
  await guarded.stop();
});

test('the rights that docs/redis.md gives to a user are enough for a region', async () => {
  const [, text = ''] = /ACL SETUSER (cache [^`]*)`/.exec(readFileSync('docs/redis.md', 'utf8')) ?? [];
  const rights = text.trim().split(/\s+/);
  await (redis.acl as (...args: string[]) => Promise<unknown>)('SETUSER', ...rights);
  const args = { port: server.port, username: 'cache', password: 'secret' };
  const users = createRegion({ name: 'users' }).configure('redis', { arguments: args });
  const heard = new Promise((resolve) => users.subscribe('a', resolve));
  await users.getOrCreate('a', () => 1, { lockTimeout: 1000 });
  await users.getOrCreateMulti(['a', 'b'], (keys) => keys.map(() => 2));
  await users.increment('c');
  await users.increment('c');
  await users.set('d', 1, { tags: ['x'] });
  await users.invalidate({ tags: ['x'] });
  await users.invalidate({ hard: false });
  for await (const key of users.keys()) await users.delete(key);
  await users.clear();
  await heard;
  expect(users.stats().errors).toBe(0);
  await users.close();
});

test('a server without memory or a replica refuses writes: unavailable, and reads go on', async () => {
  const small = await startRedis({ args: ['--maxmemory', '1mb', '--maxmemory-policy', 'noeviction'] });
  const full = await failureOf({ port: small.port }, (d) =>
    d.set('a', Buffer.alloc(2 ** 21), FOREVER).then(() => d.set('b', VALUE, FOREVER)),
  );
  expect(full).toMatchObject({
    code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE',
    message: expect.stringMatching(/OOM.*maxmemory/),
  });
  const admin = new Redis(small.port);
  await admin.config('SET', 'maxmemory', '0');
  await admin.replicaof('127.0.0.1', server.port);
  const replica = await failureOf({ port: small.port });
  expect(replica.message).toMatch(/READONLY.*replica/);
  admin.disconnect();
  await small.stop();
});

test('TLS: with the certificate it works, without it is unavailable', async () => {
  const secure = await startRedis({ tls: true });
  const { port, ca } = secure as RunningServer & { readonly ca?: string };
  const own = new RedisBackend({ port, tls: { ca } });
  await own.set('a', VALUE, FOREVER);
  expect(await own.get('a')).toEqual(VALUE);
  await own.close();
  expect(await failureOf({ port, tls: true })).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  await secure.stop();
});

/** How often each command has run. */
async function commands(): Promise<Record<string, number>> {
  const info = await redis.info('commandstats');
  return Object.fromEntries(
    [...info.matchAll(/cmdstat_(\w+):calls=(\d+)/g)].map(([, name, calls]) => [name, Number(calls)]),
  );
}
