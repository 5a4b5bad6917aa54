/** 4: options that are none, as users of other caches write them, are refused before anything is sent. */

import { describe, expect, test } from '@jest/globals';
import { createRegion, NO_VALUE, type Region, type RegionOptions } from '@stockpile/core';
import { failureOf, recorded } from './fixtures.js';

/** Each method with `options` where its own belong. */
const TAKERS: Record<string, (region: Region, options: never) => unknown> = {
  get: (region, options) => region.get('a', options),
  getEntry: (region, options) => region.getEntry('a', options),
  getMulti: (region, options) => region.getMulti(['a'], options),
  set: (region, options) => region.set('a', 1, options),
  setMulti: (region, options) => region.setMulti({ a: 1 }, options),
  increment: (region, options) => region.increment('a', 1, options),
  getOrCreate: (region, options) => region.getOrCreate('a', () => 1, options),
  getOrCreateMulti: (region, options) => region.getOrCreateMulti(['a'], () => [1], options),
  refresh: (region, options) => region.refresh('a', () => 1, options),
  'sync.get': (region, options) => region.sync.get('a', options),
  'sync.set': (region, options) => region.sync.set('a', 1, options),
  'sync.getOrCreate': (region, options) => region.sync.getOrCreate('a', () => 1, options),
};
const NO_OPTIONS: readonly unknown[] = [60_000, '1m', null, true];
const CASES = Object.keys(TAKERS).flatMap((method) => NO_OPTIONS.map((options) => [method, options] as const));

describe('options of a call', () => {
  test.each(CASES)('4: %s refuses %p', async (method, options) => {
    const { backend, calls } = recorded();
    const region = createRegion().configure(backend);
    const failure = await failureOf(() => TAKERS[method]?.(region, options as never));
    expect(failure.code).toBe('ERR_STOCKPILE_VALIDATION');
    expect(calls).toEqual([]);
    expect(await region.get('a')).toBe(NO_VALUE);
  });

  test.each(Object.keys(TAKERS))("4: %s says what 'ttl' is called here", async (method) => {
    const { backend, calls } = recorded();
    const region = createRegion().configure(backend);
    const failure = await failureOf(() => TAKERS[method]?.(region, { ttl: 60_000 } as never));
    expect(failure).toMatchObject({
      code: 'ERR_STOCKPILE_VALIDATION',
      message: expect.stringMatching(/'ttl'.*'expirationTime'/),
    });
    expect(calls).toEqual([]);
  });
});

describe('options of a region', () => {
  test.each(['users', 5, null])('1: createRegion(%p) is refused, not taken for a region without a name', (options) => {
    expect(() => createRegion(options as unknown as RegionOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
    );
  });

  test.each([60_000, null, { ttl: 60_000 }])('4: configure with options %p is refused', (options) => {
    const region = createRegion();
    expect(() => region.configure('memory', options as never)).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
    );
    expect(region.isConfigured).toBe(false);
  });

  test.each([
    [{ url: 'redis://cache' }, 'arguments: { url }'],
    [{ failopen: true }, 'failOpen'],
    [{ timout: 100 }, 'timeout'],
    [{ args: {} }, 'arguments'],
    [{ namespace: 'users' }, 'createRegion({ namespace })'],
  ])('4: configure with %p is refused, and told what is meant', (options, meant) => {
    const region = createRegion();
    expect(() => region.configure('memory', options as never)).toThrow(`is it '${meant}'?`);
    expect(region.isConfigured).toBe(false);
  });

  test('1: createRegion({ expirationTime }) is refused: without its configure it would cache for ever', () => {
    const options = { expirationTime: '5m' } as RegionOptions;
    expect(() => createRegion(options)).toThrow("is it 'configure(…, { expirationTime })'?");
  });

  test('1: what is undefined is not given, and names that are near to nothing are left alone', () => {
    const region = createRegion({ comment: 'of ours', expirationTime: undefined } as RegionOptions);
    expect(region.configure('memory', { url: undefined, comment: 1 } as never).isConfigured).toBe(true);
  });
});
