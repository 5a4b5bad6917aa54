/** getOrCreate of a key that has nothing to serve, and what a creator may say. */

import { AsyncResource } from 'node:async_hooks';
import { describe, expect, jest, test } from '@jest/globals';
import { type CreatorContext, NO_VALUE } from '@stockpile/core';
import { Counter, KINDS, setUp } from './helpers/setups.js';
import { failureOf, Gate, isPending, settle } from './helpers/time.js';

describe.each(KINDS)('over $kind', (kind) => {
  test('26: an absent key is created once and then hit', async () => {
    const { region } = setUp(kind);
    const creator = jest.fn(async () => 'value');
    expect(await region.getOrCreate('a', creator)).toBe('value');
    expect(await region.getOrCreate('a', creator)).toBe('value');
    expect(await region.get('a')).toBe('value');
    expect(creator).toHaveBeenCalledTimes(1);
    expect(region.stats()).toMatchObject({ hits: 2, misses: 1, creations: 1 });
  });

  test('26: a fresh value is answered without its mutex or its creator', async () => {
    const counter = new Counter();
    const { region } = setUp(kind, { wrap: [counter] });
    await region.set('a', 'old');
    const creator = jest.fn(() => 'new');
    expect(await region.getOrCreate('a', creator)).toBe('old');
    expect(creator).not.toHaveBeenCalled();
    expect(counter.counts.getMutex).toBe(0);
  });

  test.each([[undefined], [null], [0], [''], [false]])('26: a created %p is cached as itself', async (value) => {
    const { region } = setUp(kind);
    const creator = jest.fn(() => value);
    expect(await region.getOrCreate('a', creator)).toBe(value);
    expect(await region.getOrCreate('a', creator)).toBe(value);
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('26: a creator that answers NO_VALUE is refused, and its key is free', async () => {
    const { region } = setUp(kind);
    const failure = await failureOf(region.getOrCreate('a', () => NO_VALUE));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_VALIDATION', key: 'a' });
    expect(await region.keyIsLocked('a')).toBe(false);
    expect(await region.getOrCreate('a', () => 1)).toBe(1);
  });

  test('32: 1,000 concurrent callers of an absent key share one creator call', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<object>();
    const creator = jest.fn(() => gate.promise);
    const calls = Array.from({ length: 1000 }, () => region.getOrCreate('a', creator));
    await settle();
    const value = {};
    gate.open(value);
    expect(new Set(await Promise.all(calls))).toEqual(new Set([value]));
    expect(creator).toHaveBeenCalledTimes(1);
    expect(region.stats()).toMatchObject({ misses: 1000, creations: 1, waits: 999 });
  });

  test('32: 1,000 concurrent callers get the one error of a failing creator, and the next caller tries again', async () => {
    const { region } = setUp(kind);
    const gate = new Gate();
    const error = new Error('no database');
    const creator = jest.fn(() => gate.promise);
    const calls = Array.from({ length: 1000 }, () => failureOf(region.getOrCreate('a', creator)));
    await settle();
    gate.fail(error);
    for (const failure of await Promise.all(calls)) expect(failure).toBe(error);
    expect(creator).toHaveBeenCalledTimes(1);
    expect(await region.keyIsLocked('a')).toBe(false);
    expect(await region.getOrCreate('a', () => 'second try')).toBe('second try');
  });

  test('32: different keys are created at the same time', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<number>();
    const calls = ['a', 'b', 'c'].map((key) => region.getOrCreate(key, () => gate.promise));
    await settle();
    expect(await region.keyIsLocked('a')).toBe(true);
    expect(await region.keyIsLocked('c')).toBe(true);
    expect(await region.keyIsLocked('d')).toBe(false);
    gate.open(1);
    expect(await Promise.all(calls)).toEqual([1, 1, 1]);
  });

  test('38: what shouldCache refuses is returned, not written, and the previous entry stays', async () => {
    const counter = new Counter();
    const { clock, region } = setUp(kind, { expirationTime: 1000, wrap: [counter] });
    await region.set('a', 'old');
    clock.advance(1000);
    const shouldCache = jest.fn((_value: unknown, _key: string) => false);
    expect(await region.getOrCreate('a', () => 'new', { shouldCache })).toBe('new');
    expect(shouldCache.mock.calls).toEqual([['new', 'a']]);
    expect(counter.counts.set).toBe(1);
    expect(await region.get('a', { ignoreExpiration: true })).toBe('old');
  });

  test('38: shouldCache is never asked about cached values', async () => {
    const { region } = setUp(kind);
    const shouldCache = jest.fn(() => true);
    await region.getOrCreate('a', () => 1, { shouldCache });
    await region.getOrCreate('a', () => 2, { shouldCache });
    expect(shouldCache).toHaveBeenCalledTimes(1);
  });

  test('38: refresh honours shouldCache', async () => {
    const { region } = setUp(kind);
    await region.set('a', 'old');
    const shouldCache = (value: unknown, key: string): boolean => value !== 'new' || key !== 'a';
    expect(await region.refresh('a', () => 'new', { shouldCache })).toBe('new');
    expect(await region.get('a')).toBe('old');
    expect(await region.refresh('a', () => 'newer', { shouldCache })).toBe('newer');
    expect(await region.get('a')).toBe('newer');
  });

  test('38: a shouldCache that throws rejects the call and frees the key', async () => {
    const { region } = setUp(kind);
    const error = new Error('unsure');
    const shouldCache = (): boolean => {
      throw error;
    };
    expect(await failureOf(region.getOrCreate('a', () => 1, { shouldCache }))).toBe(error);
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test('38: doNotCache() returns the value without storing it', async () => {
    const { region } = setUp(kind);
    const creator = jest.fn((context: CreatorContext) => {
      context.doNotCache();
      return 1;
    });
    expect(await region.getOrCreate('a', creator)).toBe(1);
    expect(await region.getOrCreate('a', creator)).toBe(1);
    expect(creator).toHaveBeenCalledTimes(2);
  });

  test("39: the call's expirationTime judges the entry and is stored with the new one", async () => {
    const { clock, region } = setUp(kind, { expirationTime: '5s' });
    await region.set('a', 'old');
    clock.advance(2000);
    expect(await region.getOrCreate('a', () => 'unasked')).toBe('old');
    expect(await region.getOrCreate('a', () => 'new', { expirationTime: '1s' })).toBe('new');
    expect(await region.getEntry('a')).toMatchObject({ value: 'new', expirationTime: 1000 });
    clock.advance(1000);
    expect(await region.get('a')).toBe(NO_VALUE);
  });

  test('39: what the creator says of expiration and tags is stored', async () => {
    const { region } = setUp(kind, { expirationTime: '5s' });
    const creator = ({ setExpirationTime, tags }: CreatorContext): number => {
      setExpirationTime('3s');
      tags('red', 'blue');
      tags('red', 'green');
      return 1;
    };
    await region.getOrCreate('a', creator, { expirationTime: '1s', tags: ['given'] });
    const entry = await region.getEntry('a');
    expect(entry).toMatchObject({ expirationTime: 3000, tags: ['given', 'red', 'blue', 'green'] });
  });

  test('40: with expirationTime 0 every later call creates, one at a time', async () => {
    const { region } = setUp(kind, { expirationTime: 0 });
    const gates = [new Gate<number>(), new Gate<number>()];
    let running = 0;
    let most = 0;
    const creator = jest.fn(async () => {
      most = Math.max(most, ++running);
      const value = await gates[creator.mock.calls.length - 1]?.promise;
      running--;
      return value;
    });
    const first = [region.getOrCreate('a', creator), region.getOrCreate('a', creator)];
    await settle();
    expect(creator).toHaveBeenCalledTimes(1);
    gates[0]?.open(1);
    expect(await Promise.all(first)).toEqual([1, 1]);
    const second = region.getOrCreate('a', creator);
    await settle();
    gates[1]?.open(2);
    expect(await second).toBe(2);
    expect(creator).toHaveBeenCalledTimes(2);
    expect(most).toBe(1);
  });

  test('41: with expirationTime Infinity a softly invalidated entry is stale, and one caller creates', async () => {
    const { region } = setUp(kind, { expirationTime: Infinity });
    await region.set('a', 'old');
    await region.invalidate({ hard: false });
    const gate = new Gate<string>();
    const creator = jest.fn(() => gate.promise);
    const first = region.getOrCreate('a', creator, { expirationTime: Infinity });
    await settle();
    expect(await region.getOrCreate('a', creator, { expirationTime: Infinity })).toBe('old');
    gate.open('new');
    expect(await first).toBe('new');
    expect(await region.get('a')).toBe('new');
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('43: a creator may ask for another key', async () => {
    const { region } = setUp(kind);
    const value = await region.getOrCreate('a', async () => `a${await region.getOrCreate('b', () => 'b')}`);
    expect(value).toBe('ab');
    expect(await region.get('b')).toBe('b');
  });

  test.each(['getOrCreate', 'refresh', 'getOrCreateMulti'] as const)(
    '43: a creator that asks for its own key by %s is refused at once',
    async (method) => {
      const { region } = setUp(kind);
      const ask = (): Promise<unknown> =>
        method === 'getOrCreateMulti'
          ? region.getOrCreateMulti(['b', 'a'], (keys) => keys.map(() => 1))
          : region[method]('a', () => 1);
      const failure = await failureOf(region.getOrCreate('a', ask));
      expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_RECURSIVE_CREATION', key: 'a' });
      expect(await region.keyIsLocked('a')).toBe(false);
      expect(await region.keyIsLocked('b')).toBe(false);
    },
  );

  test('43: a creator that asks for its own key through the creator of another one is refused', async () => {
    const { region } = setUp(kind);
    const nested = (): Promise<unknown> => region.getOrCreate('b', () => region.getOrCreate('a', () => 1));
    expect(await failureOf(region.getOrCreate('a', nested))).toMatchObject({
      code: 'ERR_STOCKPILE_RECURSIVE_CREATION',
    });
  });

  test('43: of the keys of one multi creator each is its own', async () => {
    const { region } = setUp(kind);
    const ask = async (): Promise<unknown[]> => [1, await region.getOrCreate('a', () => 1)];
    const failure = await failureOf(region.getOrCreateMulti(['a', 'b'], ask));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_RECURSIVE_CREATION' });
  });

  test('43: what a creator has left running may ask for the key once it is created', async () => {
    const { region } = setUp(kind);
    let later = (): Promise<unknown> => Promise.resolve();
    await region.getOrCreate('a', () => {
      later = AsyncResource.bind(() => region.getOrCreate('a', () => 'again'));
      return 'first';
    });
    await region.delete('a');
    const gate = new Gate<number>();
    const other = region.getOrCreate('b', () => gate.promise);
    await settle();
    const again = await later().catch((error: unknown) => error);
    gate.open(1);
    await other;
    expect(again).toBe('again');
  });
});

describe('what a creator receives', () => {
  const kind = KINDS[0] as (typeof KINDS)[number];

  test('26: the key as the application wrote it, a signal and no stale value', async () => {
    const { region } = setUp(kind);
    const creator = jest.fn((_context: CreatorContext) => 1);
    await region.getOrCreate('a', creator);
    expect(creator.mock.calls[0]?.[0]).toMatchObject({ key: 'a', stale: NO_VALUE, signal: { aborted: false } });
  });

  test('27: the value that it replaces', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000 });
    await region.set('a', 'old');
    clock.advance(1000);
    expect(await region.getOrCreate('a', ({ stale }) => [stale])).toEqual(['old']);
  });

  test('30: no stale value where the entry is hard-invalidated', async () => {
    const { region } = setUp(kind);
    await region.set('a', 'old');
    await region.invalidate();
    expect(await region.getOrCreate('a', ({ stale }) => [stale])).toEqual([NO_VALUE]);
  });

  test('32: a creator that is no function is refused', async () => {
    const { region } = setUp(kind);
    const failure = await failureOf(region.getOrCreate('a', 'value' as unknown as () => string));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_VALIDATION' });
  });

  test('32: a caller that comes after the creator has failed is not given the old error', async () => {
    const { region } = setUp(kind);
    const gate = new Gate();
    const first = failureOf(region.getOrCreate('a', () => gate.promise));
    await settle();
    gate.fail(new Error('first'));
    await first;
    const second = region.getOrCreate('a', () => new Gate().promise);
    expect(await isPending(second)).toBe(true);
  });
});
