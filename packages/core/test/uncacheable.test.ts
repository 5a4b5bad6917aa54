/** 42: created values that cannot be stored. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { type CacheBackend, NO_VALUE, ProxyBackend, type Region, ValueTooLargeError } from '@stockpile/core';
import { AsyncBackend, Storage } from './helpers/async-backend.js';
import { regionOn, reported } from './helpers/setups.js';
import { failureOf, TestClock } from './helpers/time.js';

/** Refuses texts above ten characters. */
class Limited extends ProxyBackend {
  override set(...args: Parameters<CacheBackend['set']>): ReturnType<CacheBackend['set']> {
    const { value } = args[1];
    if (typeof value === 'string' && value.length > 10) throw new ValueTooLargeError('more than ten characters');
    return this.proxied.set(...args);
  }
}

const unserialisable = (): void => {};
const tooLarge = 'x'.repeat(11);

/** A backend of copies for what cannot be serialised, one with a limit for what is too large. */
const CASES = [
  {
    title: 'that cannot be serialised',
    value: unserialisable,
    code: 'ERR_STOCKPILE_SERIALIZATION',
    open: (clock: TestClock) => regionOn(new MemoryBackend({ clock, clone: true }), clock, { expirationTime: 1000 }),
  },
  {
    title: 'that is too large',
    value: tooLarge,
    code: 'ERR_STOCKPILE_VALUE_TOO_LARGE',
    open: (clock: TestClock) =>
      regionOn(new MemoryBackend({ clock }), clock, { expirationTime: 1000, wrap: [Limited] }),
  },
  {
    title: 'that is too large, over an asynchronous backend, fail closed',
    value: tooLarge,
    code: 'ERR_STOCKPILE_VALUE_TOO_LARGE',
    open: (clock: TestClock) =>
      regionOn(new AsyncBackend(new Storage(clock), { locks: true }), clock, {
        expirationTime: 1000,
        wrap: [Limited],
        failOpen: false,
      }),
  },
];

describe.each(CASES)('a created value $title', ({ value, code, open }) => {
  const ways: Record<string, (region: Region<unknown>) => Promise<unknown>> = {
    getOrCreate: (region) => region.getOrCreate('a', () => value),
    refresh: (region) => region.refresh('a', () => value),
    getOrCreateMulti: async (region) => (await region.getOrCreateMulti(['a', 'b'], () => [value, 'B']))[0],
    'region.sync.getOrCreate': async (region) =>
      region.supports('sync') ? region.sync.getOrCreate('a', () => value) : region.getOrCreate('a', () => value),
  };

  test.each(Object.keys(ways))('42: is returned by %s, and the failure is counted and published', async (way) => {
    const region = open(new TestClock());
    const messages = await reported(async () => {
      expect(await (ways[way] as (typeof ways)[string])(region)).toBe(value);
    });
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatchObject({ region: 'r', error: { code } });
    expect(region.stats()).toMatchObject({ errors: 1, creations: 1, creationErrors: 0 });
    expect(await region.get('a')).toBe(NO_VALUE);
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test('42: leaves the old value, while set rejects', async () => {
    const clock = new TestClock();
    const region = open(clock);
    await region.set('a', 'old');
    expect(await failureOf(region.set('a', value))).toMatchObject({ code, key: 'a' });
    expect(await region.get('a')).toBe('old');
    clock.advance(1000);
    expect(await region.getOrCreate('a', () => value)).toBe(value);
    expect(await region.get('a', { ignoreExpiration: true })).toBe('old');
  });

  test('42: does not keep the other values of getOrCreateMulti from being stored', async () => {
    const region = open(new TestClock());
    expect(await region.getOrCreateMulti(['a', 'b', 'c'], () => ['A', value, 'C'])).toEqual(['A', value, 'C']);
    expect(await region.getMulti(['a', 'b', 'c'])).toEqual(['A', NO_VALUE, 'C']);
  });

  test('42: is shared by all who wait for it', async () => {
    const region = open(new TestClock());
    const creator = jest.fn(async () => value);
    const values = await Promise.all([1, 2, 3].map(() => region.getOrCreate('a', creator)));
    expect(values).toEqual([value, value, value]);
    expect(creator).toHaveBeenCalledTimes(1);
  });
});
