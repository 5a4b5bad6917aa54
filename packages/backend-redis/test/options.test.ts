/** The arguments: their forms, their limits, and that no secret gets out. */

import { describe, expect, test } from '@jest/globals';
import { type RedisArguments, RedisBackend } from '@stockpile/backend-redis';
import { createRegion } from '@stockpile/core';
import { Redis } from 'ioredis';
import { redisSettings } from '../src/options.js';

describe('where the server is', () => {
  const forms: [RedisArguments, object][] = [
    [{}, { server: '127.0.0.1:6379', db: 0 }],
    [{ url: 'redis://cache' }, { server: 'cache:6379' }],
    [{ url: 'cache:7000' }, { server: 'cache:7000' }],
    [
      { url: 'redis://ada:s%40cret@cache:7000/3' },
      { server: 'cache:7000', username: 'ada', password: 's@cret', db: 3 },
    ],
    [{ url: 'redis://:secret@cache' }, { password: 'secret', username: undefined }],
    [{ url: 'rediss://cache' }, { tls: {} }],
    [{ url: 'redis://[::1]:7000' }, { server: '[::1]:7000', address: { host: '::1', port: 7000 } }],
    [{ url: '/run/redis.sock' }, { server: '/run/redis.sock', address: { path: '/run/redis.sock' } }],
    [{ url: 'redis+unix:///run/redis.sock?db=2' }, { address: { path: '/run/redis.sock' }, db: 2 }],
    [
      { host: 'cache', port: '7000', db: '1', tls: 'true' },
      { server: 'cache:7000', db: 1, tls: {} },
    ],
    [{ url: 'rediss://cache', tls: { ca: 'pem' } }, { tls: { ca: 'pem' } }],
    [{ cluster: 'a', tls: { ca: 'pem' } }, { tls: { ca: 'pem' } }],
    [{ sentinels: 'a', name: 'm', tls: 'TRUE' }, { tls: {} }],
    [{ path: '/run/redis.sock' }, { server: '/run/redis.sock' }],
    [
      { cluster: 'a:1, b' },
      {
        server: 'a:1,b:6379',
        cluster: [
          { host: 'a', port: 1 },
          { host: 'b', port: 6379 },
        ],
      },
    ],
    [{ cluster: ['[::1]:7', { host: 'b', port: '8' }] }, { server: '[::1]:7,b:8' }],
    [{ sentinels: 'a,b:2', name: 'm' }, { server: 'm of a:26379,b:2' }],
  ];
  test.each(forms)('%j', (args, expected) => {
    expect(redisSettings(args)).toMatchObject(expected);
  });
});

test('defaults and texts of the other options', () => {
  expect(redisSettings({})).toMatchObject({ lease: 10_000, events: true, maxValueBytes: 512 * 2 ** 20 });
  expect(redisSettings({ lease: '2s', events: 'false', maxValueBytes: '1M' })).toMatchObject({
    lease: 2000,
    events: false,
    maxValueBytes: 2 ** 20,
  });
});

test('numbers and booleans of flat text are texts again', () => {
  const flat = { password: 12_345, username: 1, sentinels: 'a', name: 2, sentinelPassword: true };
  expect(redisSettings(flat as unknown as RedisArguments)).toMatchObject({
    password: '12345',
    username: '1',
    sentinels: { name: '2', password: 'true' },
  });
});

test('the timeout of a region is no argument', () => {
  const region = createRegion({ name: 'users' });
  const args = { timeout: '1s' } as RedisArguments;
  expect(() => region.configure('redis', { arguments: args })).toThrow(/is it 'timeout' of the region/);
});

const wrong: [object, RegExp][] = [
  [{ port: 0 }, /port: must be a whole number from 1 to 65535, not 0/],
  [{ port: 'x' }, /port/],
  [{ db: -1 }, /db/],
  [{ db: 1, cluster: 'a' }, /database 0 only/],
  [{ url: 'http://x' }, /redis:\/\//],
  [{ url: 'redis://a', host: 'b' }, /'url' and 'host'/],
  [{ cluster: [] }, /cluster: must be a list/],
  [{ cluster: 'user:pass@a:1' }, /written host:port/],
  [{ sentinels: 'a' }, /name: sentinels need/],
  [{ username: 'ada' }, /needs a password/],
  [{ lease: 10 }, /from 100 ms, and not Infinity; 10 is/],
  [{ lease: 'Infinity' }, /lease/],
  [{ maxValueBytes: '1G' }, /at most 512M/],
  [{ events: 'maybe' }, /events: must be true or false/],
  [{ tls: 'yes' }, /tls/],
  [{ client: {} }, /ioredis 5 or 6/],
  [{ uri: 'redis://a' }, /is it 'url'/],
  [{ keyPrefix: 'a:' }, /namespace/],
  [{ servers: 'a' }, /is it 'url', 'cluster' or 'sentinels'/],
  [{ pass: 'x' }, /is it 'password'/],
  [{ lockLease: '1s' }, /is it 'lease'/],
  [{ connectTimeout: 5 }, /'timeout' of the region/],
  [{ pasword: 'x' }, /is it 'password'/],
  [{ url: 'redis://a', port: 7000 }, /'url' and 'port'/],
  [{ url: 'redis://a:99999' }, /the port must be from 1 to 65535/],
  [{ port: 99_999 }, /port: must be a whole number from 1 to 65535, not 99999/],
  [{ url: 'redis://:50%@a' }, /%25/],
  [{ url: 'redis://:x@a', password: 'y' }, /password: stands in 'url' too/],
  [{ url: 'rediss://a', tls: 'false' }, /contradicts rediss/],
  [{ cluster: 'a', tls: 'on' }, /tls: must be true, false, or what node:tls takes/],
  [{ sentinels: 'a', name: 'm', tls: ['ca'] }, /tls: must be/],
];
test.each(wrong)('%j is refused', (args, message) => {
  expect(() => new RedisBackend(args as RedisArguments)).toThrow(message);
  expect(() => new RedisBackend(args as RedisArguments)).toThrow(
    expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
  );
});

test('a client with a keyPrefix is refused', () => {
  const client = new Redis({ lazyConnect: true, keyPrefix: 'a:' });
  expect(() => new RedisBackend({ client })).toThrow(/keyPrefix/);
});

test('unknown arguments may be meant for another backend', () => {
  expect(() => new RedisBackend({ maxItems: 7 } as RedisArguments)).not.toThrow();
});

test('no message shows a password', async () => {
  const secret = 'hunter2';
  for (const args of [{ url: `redis://ada:${secret}@a b:x` }, { url: `http://ada:${secret}@host` }]) {
    expect(() => new RedisBackend(args)).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining(secret) }),
    );
  }
  const driver = new RedisBackend({ url: `redis://ada:${secret}@127.0.0.1:1` });
  const error: unknown = await driver.get('a').catch((failure: unknown) => failure);
  expect(JSON.stringify([String(error), error, driver.servers()])).not.toContain(secret);
});
