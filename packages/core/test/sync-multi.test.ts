/** getOrCreateMulti of region.sync. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { type ConfigureOptions, type MultiAnswer, NO_VALUE } from '@stockpile/core';
import { Counter, regionOn } from './helpers/setups.js';
import { settle, TestClock } from './helpers/time.js';

function setUp(options?: ConfigureOptions) {
  const clock = new TestClock();
  return { clock, sync: regionOn(new MemoryBackend({ clock }), clock, options).sync };
}

const error = new Error('no database');
const fail = (): never => {
  throw error;
};
const naming = () => jest.fn((keys: readonly string[]): MultiAnswer<unknown> => keys.map((key) => `new ${key}`));

describe('getOrCreateMulti', () => {
  test('48, 49: missing keys once each in request order; one multi-get and one multi-set', () => {
    const counter = new Counter();
    const { sync } = setUp({ wrap: [counter] });
    sync.set('b', 'old b');
    const creator = naming();
    expect(sync.getOrCreateMulti(['c', 'b', 'a', 'c'], creator)).toEqual(['new c', 'old b', 'new a', 'new c']);
    expect(creator.mock.calls.map(([keys]) => keys)).toEqual([['c', 'a']]);
    expect(counter.counts).toMatchObject({ get: 0, getMulti: 1, set: 1, setMulti: 1 });
    expect(sync.getOrCreateMulti([], creator)).toEqual([]);
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('51: too few values, holes and NO_VALUE are refused; nothing is stored, all mutexes are free', () => {
    const { sync } = setUp();
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    for (const answer of [['A'], [, 'B'], [NO_VALUE, 'B'], new Map(), undefined] as unknown[]) {
      expect(() => sync.getOrCreateMulti(['a', 'b'], () => answer as MultiAnswer<unknown>)).toThrow(
        expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', keys: expect.any(Array) }),
      );
      expect(sync.getMulti(['a', 'b'])).toEqual([NO_VALUE, NO_VALUE]);
      expect([sync.keyIsLocked('a'), sync.keyIsLocked('b')]).toEqual([false, false]);
    }
  });

  test('52: shouldCache per value; if it throws, the mutexes are free', () => {
    const { sync } = setUp();
    sync.getOrCreateMulti(['a', 'b'], naming(), { shouldCache: (_, key) => key === 'b' });
    expect(sync.getMulti(['a', 'b'])).toEqual([NO_VALUE, 'new b']);
    expect(() => sync.getOrCreateMulti(['a', 'c'], naming(), { shouldCache: fail })).toThrow(error);
    expect([sync.keyIsLocked('a'), sync.keyIsLocked('c')]).toEqual([false, false]);
  });

  test('53: a background creation is one creator call for all stale keys', async () => {
    const { clock, sync } = setUp({ expirationTime: 1000, background: true });
    sync.setMulti({ a: 1, b: 2 });
    clock.advance(1000);
    const creator = naming();
    expect(sync.getOrCreateMulti(['a', 'b'], creator)).toEqual([1, 2]);
    await settle();
    expect(creator.mock.calls.map(([keys]) => keys)).toEqual([['a', 'b']]);
    expect(sync.getMulti(['a', 'b'])).toEqual(['new a', 'new b']);
  });

  test('53: expired and invalidated keys regenerate once per invalidation', () => {
    const { clock, sync } = setUp({ expirationTime: 1000 });
    sync.setMulti({ a: 'old a', b: 'old b' });
    const creator = naming();
    const ages = [() => clock.advance(1000), () => sync.invalidate(), () => sync.invalidate({ hard: false })];
    for (const [i, age] of ages.entries()) {
      age();
      for (let call = 0; call < 2; call++) {
        expect(sync.getOrCreateMulti(['a', 'b'], creator)).toEqual(['new a', 'new b']);
        expect(creator).toHaveBeenCalledTimes(i + 1);
      }
    }
  });

  test('36: the creator that fails is thrown; with serveStaleOnError the stale values are served', () => {
    const { clock, sync } = setUp({ expirationTime: 1000 });
    sync.setMulti({ a: 1, b: 2 });
    clock.advance(1000);
    expect(() => sync.getOrCreateMulti(['a', 'b'], fail)).toThrow(error);
    expect(sync.getOrCreateMulti(['a', 'b'], fail, { serveStaleOnError: true })).toEqual([1, 2]);
    expect([sync.keyIsLocked('a'), sync.keyIsLocked('b')]).toEqual([false, false]);
  });

  test('49: the creator gets the stale values that can be served, and no others', () => {
    const { clock, sync } = setUp({ expirationTime: 1000, grace: 500 });
    sync.set('gone', 1);
    clock.advance(500);
    sync.set('hard', 2, { tags: ['red'] });
    sync.set('stale', 3);
    sync.invalidate({ tags: ['red'] });
    clock.advance(1000);
    const creator = jest.fn((keys: readonly string[], { stale }: { stale: ReadonlyMap<string, unknown> }) =>
      keys.map((key) => stale.get(key) ?? 'none'),
    );
    expect(sync.getOrCreateMulti(['gone', 'hard', 'stale'], creator)).toEqual(['none', 'none', 3]);
  });
});
