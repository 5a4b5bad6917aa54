/** What the application may write. */

import { describe, expect, test } from '@jest/globals';
import { MemcachedBackend } from '@stockpile/backend-memcached';
import { createRegion } from '@stockpile/core';
import { memcachedSettings } from '../src/options.js';

const addressesOf = (url: unknown): unknown[] =>
  memcachedSettings({ url: url as string }).servers.map(({ label, weight }) => [label, weight]);

describe('url', () => {
  test.each([
    ['cache1', [['cache1:11211', 1]]],
    ['cache1:11311', [['cache1:11311', 1]]],
    [
      'Cache1 , cache2:1,[::1]:2',
      [
        ['cache1:11211', 1],
        ['cache2:1', 1],
        ['[::1]:2', 1],
      ],
    ],
    [
      ['memcached://a:1', { url: 'b:2', weight: 3 }],
      [
        ['a:1', 1],
        ['b:2', 3],
      ],
    ],
    ['memcached://ada:secret@a:1?weight=2', [['a:1', 2]]],
    ['/run/memcached.sock', [['/run/memcached.sock', 1]]],
    ['unix:///run/memcached.sock', [['/run/memcached.sock', 1]]],
  ])('%j', (url, expected) => {
    expect(addressesOf(url)).toEqual(expected);
  });

  test('the default is memcached on this host', () => {
    expect(memcachedSettings({}).servers).toMatchObject([{ host: '127.0.0.1', port: 11211 }]);
  });

  test('brackets of IPv6 are not part of the host; user and password are decoded', () => {
    expect(memcachedSettings({ url: 'memcached://ada:p%40ss%3Aw@[::1]:2' }).servers).toEqual([
      { label: '[::1]:2', host: '::1', port: 2, weight: 1, user: 'ada', password: 'p@ss:w' },
    ]);
  });

  test.each([
    '',
    [],
    null,
    7,
    'a:99999',
    'a:0',
    'redis://a:1',
    'memcached://a:1/path',
    'memcached://ada:sec%ret@a',
    ['a', 'a'],
    ['a', { url: 'A:11211' }],
    'a,,b',
    [{ url: 'a', weight: 0 }],
    [{ url: 'a', weight: 1.5 }],
    'memcached://ada:secret@',
  ])('%j is refused, and nothing secret is shown', (url) => {
    const failure = (): unknown => memcachedSettings({ url: url as string });
    expect(failure).toThrow(expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }));
    expect(failure).not.toThrow(/secret|sec%ret/);
  });
});

describe('the others', () => {
  test('texts are read as the type of the option', () => {
    expect(memcachedSettings({ maxValueBytes: '1M', lease: '2500ms', failover: 'true' as never })).toMatchObject({
      maxValueBytes: 2 ** 20,
      lease: 3000,
      failover: true,
    });
  });

  test('credentials go to all servers that have none of their own', () => {
    const { servers } = memcachedSettings({ url: 'a,memcached://bob:x@b', username: 'ada', password: 'y' });
    expect(servers).toMatchObject([
      { user: 'ada', password: 'y' },
      { user: 'bob', password: 'x' },
    ]);
  });

  test.each([
    { lease: '500ms' },
    { lease: '2h' },
    { lease: Number.POSITIVE_INFINITY },
    { failover: 'yes' },
    { maxValueBytes: -1 },
    { username: 'ada' },
    { password: 'secret' },
    { username: '', password: 'secret' },
    { servers: 'a:1' },
    { FailOver: true },
    { max_value_bytes: '1M' },
    { le_ase: '5s' },
    { maxValueSize: '1M' },
    { user: 'ada' },
  ])('%j is refused', (args) => {
    const failure = (): unknown => memcachedSettings(args as object);
    expect(failure).toThrow(expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }));
    expect(failure).not.toThrow(/secret/);
  });

  test('what may be meant for another backend is ignored', () => {
    expect(() => memcachedSettings({ segment: 'app', maxItems: 5 } as object)).not.toThrow();
  });
});

test('the package registers memcached', async () => {
  const region = createRegion({ name: 'users' }).configure('memcached', { arguments: { url: '127.0.0.1:1' } });
  expect(region.actualBackend).toBeInstanceOf(MemcachedBackend);
  expect(region.stats().servers).toMatchObject([{ server: '127.0.0.1:1', state: 'up' }]);
  expect(new MemcachedBackend().servers()).toMatchObject([{ server: '127.0.0.1:11211' }]);
  await region.close();
});
