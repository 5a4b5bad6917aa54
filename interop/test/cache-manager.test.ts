/** cache-manager 7, which takes Keyv 5, over regions. */

import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { regionStore } from '@stockpile/backend-keyv';
import { type Cache, createCache } from 'cache-manager';
import { Keyv } from 'keyv';
import { type Opened, REGIONS } from './regions.js';

const TTL = 150;
const outlive = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms + 20));

describe.each(Object.keys(REGIONS))('over %s', (name) => {
  let opened: Opened;
  let cache: Cache;
  const open = (namespace = 'app'): Cache =>
    createCache({ stores: [new Keyv({ store: regionStore(opened.region), namespace })] });
  beforeAll(async () => {
    opened = await (REGIONS[name] as () => Promise<Opened>)();
    cache = open();
  });
  afterEach(() => opened.region.clear());
  afterAll(() => opened.close());

  test('set, get and del', async () => {
    expect(await cache.set('key', { a: 1 })).toEqual({ a: 1 });
    expect(await cache.get('key')).toEqual({ a: 1 });
    expect(await cache.del('key')).toBe(true);
    expect(await cache.get('key')).toBeUndefined();
  });

  test('ttl: entries end, and say when', async () => {
    const before = Date.now();
    await cache.set('key', 1, TTL);
    const expires = await cache.ttl('key');
    expect(expires).toBeGreaterThanOrEqual(before + TTL);
    expect(expires).toBeLessThan(before + TTL + 1000);
    await outlive(TTL);
    expect(await cache.get('key')).toBeUndefined();
    expect(await cache.ttl('absent')).toBeUndefined();
  });

  test('mset, mget and mdel', async () => {
    await cache.mset([
      { key: 'a', value: 1 },
      { key: 'b', value: 2, ttl: TTL },
      { key: 'c', value: 3 },
    ]);
    expect(await cache.mget(['a', 'b', 'absent', 'c'])).toEqual([1, 2, undefined, 3]);
    await outlive(TTL);
    expect(await cache.mget(['a', 'b'])).toEqual([1, undefined]);
    expect(await cache.mdel(['a', 'c'])).toBe(true);
    expect(await cache.mget(['a', 'c'])).toEqual([undefined, undefined]);
  });

  test('wrap calls the function once, until the ttl is over', async () => {
    const load = jest.fn(async () => ({ id: 1 }));
    expect(await cache.wrap('key', load, TTL)).toEqual({ id: 1 });
    expect(await cache.wrap('key', load, TTL)).toEqual({ id: 1 });
    expect(load).toHaveBeenCalledTimes(1);
    await outlive(TTL);
    await cache.wrap('key', load, TTL);
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('wrap with a refresh threshold renews behind a hit', async () => {
    let count = 0;
    const load = async (): Promise<number> => ++count;
    const options = { ttl: 60_000, refreshThreshold: 59_999 };
    expect(await cache.wrap('key', load, options)).toBe(1);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await cache.wrap('key', load, options)).toBe(1);
    while ((await cache.get('key')) !== 2) await new Promise((resolve) => setImmediate(resolve));
  });

  test('clear is of the namespace of its Keyv', async () => {
    const other = open('other');
    await cache.set('key', 1);
    await other.set('key', 2);
    expect(await cache.clear()).toBe(true);
    expect(await cache.get('key')).toBeUndefined();
    expect(await other.get('key')).toBe(2);
  });

  test('disconnect leaves the region open', async () => {
    await open().disconnect();
    await cache.set('key', 1);
    expect(await cache.get('key')).toBe(1);
  });

  test('two stores: what the first has not is read from the second', async () => {
    const tiered = createCache({
      stores: [new Keyv(), new Keyv({ store: regionStore(opened.region), namespace: 'second' })],
    });
    await tiered.set('key', 1);
    await tiered.stores[0]?.clear();
    expect(await tiered.get('key')).toBe(1);
  });
});
