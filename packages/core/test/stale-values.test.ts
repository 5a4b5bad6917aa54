/** Stale values: who creates, who is served, and who waits. */

import { describe, expect, jest, test } from '@jest/globals';
import { NO_VALUE } from '@stockpile/core';
import { KINDS, reported, type Setup, setUp, twoProcesses } from './helpers/setups.js';
import { failureOf, Gate, isPending, settle } from './helpers/time.js';

/** The entry `a` with the value 'old', stale but within grace. */
async function makeStale({ clock, region }: Pick<Setup, 'clock' | 'region'>): Promise<void> {
  await region.set('a', 'old');
  clock.advance(1500);
}

describe.each(KINDS)('over $kind', (kind) => {
  test('27: the first caller of a stale key creates; all others get the stale value at once', async () => {
    const setup = setUp(kind, { expirationTime: 1000 });
    const { region } = setup;
    await makeStale(setup);
    const gate = new Gate<string>();
    const creator = jest.fn(() => gate.promise);
    const first = region.getOrCreate('a', creator);
    await settle();
    expect(await region.keyIsLocked('a')).toBe(true);
    const others = await Promise.all(Array.from({ length: 100 }, () => region.getOrCreate('a', creator)));
    expect(new Set(others)).toEqual(new Set(['old']));
    expect(await isPending(first)).toBe(true);
    gate.open('new');
    expect(await first).toBe('new');
    expect(await region.getOrCreate('a', creator)).toBe('new');
    expect(creator).toHaveBeenCalledTimes(1);
    expect(region.stats()).toMatchObject({ staleHits: 100, creations: 1, hits: 1, misses: 1 });
  });

  test('27: 100 callers of a stale key in one turn: one waits for the new value, 99 get the stale one', async () => {
    const setup = setUp(kind, { expirationTime: 1000 });
    await makeStale(setup);
    const creator = jest.fn(async () => 'new');
    const calls = Array.from({ length: 100 }, () => setup.region.getOrCreate('a', creator));
    const values = await Promise.all(calls);
    expect(values.filter((value) => value === 'new')).toHaveLength(1);
    expect(values.filter((value) => value === 'old')).toHaveLength(99);
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test("28: with stale: 'wait' the others wait for the new value", async () => {
    const setup = setUp(kind, { expirationTime: 1000, stale: 'wait' });
    const { region } = setup;
    await makeStale(setup);
    const gate = new Gate<string>();
    const creator = jest.fn(() => gate.promise);
    const first = region.getOrCreate('a', creator);
    await settle();
    const others = Array.from({ length: 20 }, () => region.getOrCreate('a', creator));
    expect(await isPending(Promise.race(others))).toBe(true);
    expect(await region.getOrCreate('a', creator, { stale: 'serve' })).toBe('old');
    gate.open('new');
    expect(new Set(await Promise.all([first, ...others]))).toEqual(new Set(['new']));
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('29: in the background the old value is served now, one creator runs behind, the new value is next', async () => {
    const setup = setUp(kind, { expirationTime: 1000, background: true });
    const { region } = setup;
    await makeStale(setup);
    const gate = new Gate<string>();
    const creator = jest.fn(() => gate.promise);
    expect(await region.getOrCreate('a', creator)).toBe('old');
    expect(await region.getOrCreate('a', creator)).toBe('old');
    await settle();
    expect(await region.keyIsLocked('a')).toBe(true);
    gate.open('new');
    await settle();
    expect(await region.getOrCreate('a', creator)).toBe('new');
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('29: a background function receives the work, which ends when the value is stored', async () => {
    const setup = setUp(kind, { expirationTime: 1000 });
    const { region } = setup;
    await makeStale(setup);
    const gate = new Gate<string>();
    const works: Promise<void>[] = [];
    const background = (work: Promise<void>): void => void works.push(work);
    expect(await region.getOrCreate('a', () => gate.promise, { background })).toBe('old');
    expect(works).toHaveLength(1);
    const work = works[0] as Promise<void>;
    expect(await isPending(work)).toBe(true);
    gate.open('new');
    expect(await work).toBeUndefined();
    expect(await region.get('a')).toBe('new');
  });

  test('29: a failing background creator frees the mutex and is an event and a count', async () => {
    const setup = setUp(kind, { expirationTime: 1000 });
    const { region } = setup;
    await makeStale(setup);
    const error = new Error('no database');
    const works: Promise<void>[] = [];
    const messages = await reported(async () => {
      const background = (work: Promise<void>): void => void works.push(work);
      const creator = (): Promise<never> => Promise.reject(error);
      expect(await region.getOrCreate('a', creator, { background })).toBe('old');
      expect(await works[0]).toBeUndefined();
    });
    expect(messages).toEqual([{ region: 'r', key: 'a', operation: 'background', error }]);
    expect(region.stats()).toMatchObject({ errors: 1, creationErrors: 1 });
    expect(await region.keyIsLocked('a')).toBe(false);
    expect(await region.getOrCreate('a', () => 'new')).toBe('new');
  });

  test('29: background honours shouldCache', async () => {
    const setup = setUp(kind, { expirationTime: 1000, background: true });
    const { region } = setup;
    await makeStale(setup);
    const shouldCache = jest.fn((_value: unknown, _key: string) => false);
    expect(await region.getOrCreate('a', () => 'new', { shouldCache })).toBe('old');
    await settle();
    expect(shouldCache.mock.calls).toEqual([['new', 'a']]);
    expect(await region.get('a', { ignoreExpiration: true })).toBe('old');
  });

  test.each(['absent', 'hard-invalidated', 'beyond grace'])(
    '30: an entry that is %s is created in the foreground also with background',
    async (state) => {
      const { clock, region } = setUp(kind, { expirationTime: 1000, grace: 500, background: true });
      if (state !== 'absent') await region.set('a', 'old');
      if (state === 'hard-invalidated') await region.invalidate();
      if (state === 'beyond grace') clock.advance(1500);
      const gate = new Gate<string>();
      const call = region.getOrCreate('a', () => gate.promise);
      expect(await isPending(call)).toBe(true);
      gate.open('new');
      expect(await call).toBe('new');
    },
  );

  test('30: one ms before the end of grace the value is still served, at the end it is not', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000, grace: 500, background: () => {} });
    await region.set('a', 'old');
    clock.advance(1499);
    expect(await region.getOrCreate('a', () => Promise.reject(new Error('no')))).toBe('old');
    await settle();
    clock.advance(1);
    expect(await region.getOrCreate('a', () => 'new')).toBe('new');
  });

  test('30: what the backend still holds beyond the grace of this call is created in the foreground', async () => {
    const { clock, region } = setUp(kind, { expirationTime: '1h', grace: 500, background: true });
    await region.set('a', 'old');
    clock.advance(1499);
    expect(await region.getOrCreate('a', () => 'new', { expirationTime: 1000, shouldCache: () => false })).toBe('old');
    await settle();
    clock.advance(1);
    expect(await region.getOrCreate('a', ({ stale }) => [stale], { expirationTime: 1000 })).toEqual([NO_VALUE]);
  });

  test('31: who waited for the mutex of a stale key uses the value that arrived', async () => {
    const setup = setUp(kind, { expirationTime: 1000, stale: 'wait' });
    const { region } = setup;
    await makeStale(setup);
    const gate = new Gate<string>();
    const slow = region.refresh('a', () => gate.promise);
    await settle();
    const creator = jest.fn(() => 'unneeded');
    const waiter = region.getOrCreate('a', creator);
    await settle();
    gate.open('new');
    expect(await Promise.all([slow, waiter])).toEqual(['new', 'new']);
    expect(creator).not.toHaveBeenCalled();
  });

  test('27: the creator of a stale key that fails reaches its caller; the others have been served', async () => {
    const setup = setUp(kind, { expirationTime: 1000 });
    const { region } = setup;
    await makeStale(setup);
    const gate = new Gate<string>();
    const first = failureOf(region.getOrCreate('a', () => gate.promise));
    await settle();
    expect(await region.getOrCreate('a', () => 'other')).toBe('old');
    const error = new Error('no database');
    gate.fail(error);
    expect(await first).toBe(error);
    expect(await region.get('a')).toBe(NO_VALUE);
    expect(await region.get('a', { ignoreExpiration: true })).toBe('old');
  });

  test('27: refresh creates whatever is stored, and callers meanwhile get the fresh old value', async () => {
    const { region } = setUp(kind);
    await region.set('a', 'old');
    const gate = new Gate<string>();
    const work = region.refresh('a', () => gate.promise);
    await settle();
    expect(await region.getOrCreate('a', () => 'unneeded')).toBe('old');
    gate.open('new');
    expect(await work).toBe('new');
    expect(await region.get('a')).toBe('new');
  });

  test('58: refresh never joins a creation that began before it', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<string>();
    const before = region.getOrCreate('a', () => gate.promise);
    await settle();
    const creator = jest.fn(() => 'from refresh');
    const after = region.refresh('a', creator);
    await settle();
    expect(creator).not.toHaveBeenCalled(); // one creator at a time
    gate.open('old');
    expect(await Promise.all([before, after])).toEqual(['old', 'from refresh']);
    expect(await region.get('a')).toBe('from refresh');
  });
});

describe('in two processes', () => {
  test('27: while one process creates, the other gets the stale value at once', async () => {
    const { clock, a, b } = twoProcesses({ expirationTime: 1000 });
    await makeStale({ clock, region: a.region });
    const gate = new Gate<string>();
    const first = a.region.getOrCreate('a', () => gate.promise);
    await settle();
    const creator = jest.fn(() => 'unneeded');
    expect(await b.region.getOrCreate('a', creator)).toBe('old');
    expect(await b.region.getOrCreateMulti(['a'], (keys) => keys.map(creator))).toEqual(['old']);
    gate.open('new');
    expect(await first).toBe('new');
    expect(await b.region.getOrCreate('a', creator)).toBe('new');
    expect(creator).not.toHaveBeenCalled();
  });

  test("28: with stale: 'wait' the other process waits for the new value", async () => {
    const { clock, a, b } = twoProcesses({ expirationTime: 1000, stale: 'wait' });
    await makeStale({ clock, region: a.region });
    const gate = new Gate<string>();
    const first = a.region.getOrCreate('a', () => gate.promise);
    await settle();
    const creator = jest.fn(() => 'unneeded');
    const second = b.region.getOrCreate('a', creator);
    expect(await isPending(second)).toBe(true);
    gate.open('new');
    expect(await Promise.all([first, second])).toEqual(['new', 'new']);
    expect(creator).not.toHaveBeenCalled();
  });

  test('29: background work of one process spares the other a creation', async () => {
    const { clock, a, b } = twoProcesses({ expirationTime: 1000, background: true });
    await makeStale({ clock, region: a.region });
    const gate = new Gate<string>();
    const creator = jest.fn(() => gate.promise);
    expect(await a.region.getOrCreate('a', creator)).toBe('old');
    await settle();
    expect(await b.region.getOrCreate('a', creator)).toBe('old');
    await settle();
    gate.open('new');
    await settle();
    expect(await b.region.getOrCreate('a', creator)).toBe('new');
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('31: who read the stale value before another process renewed it uses the new one', async () => {
    const { clock, a, b } = twoProcesses({ expirationTime: 1000 });
    await makeStale({ clock, region: a.region });
    const read = b.backend.hold('get');
    const creator = jest.fn(() => 'second');
    const late = b.region.getOrCreate('a', creator);
    await read.arrived; // it has read 'old'
    expect(await a.region.getOrCreate('a', () => 'first')).toBe('first');
    read.release();
    expect(await late).toBe('first');
    expect(creator).not.toHaveBeenCalled();
  });

  test('31: the same for getOrCreateMulti', async () => {
    const { clock, a, b } = twoProcesses({ expirationTime: 1000 });
    await makeStale({ clock, region: a.region });
    const read = b.backend.hold('getMulti');
    const creator = jest.fn((keys: readonly string[]) => keys.map(() => 'second'));
    const late = b.region.getOrCreateMulti(['a'], creator);
    await read.arrived;
    expect(await a.region.getOrCreate('a', () => 'first')).toBe('first');
    read.release();
    expect(await late).toEqual(['first']);
    expect(creator).not.toHaveBeenCalled();
  });
});

describe.each(KINDS)('over $kind', (kind) => {
  test("28: a call with stale: 'wait' waits, also where background is the default of the region", async () => {
    const setup = setUp(kind, { expirationTime: 1000, background: true });
    await makeStale(setup);
    const { region } = setup;
    expect(await region.getOrCreate('a', () => 'new', { stale: 'wait' })).toBe('new');
    setup.clock.advance(1500);
    expect(await region.getOrCreateMulti(['a'], () => ['newer'], { stale: 'wait' })).toEqual(['newer']);
    setup.clock.advance(1500);
    expect(await region.getOrCreate('a', () => 'behind')).toBe('newer');
    expect(await region.getOrCreate('a', () => 'behind', { stale: 'wait', background: true })).not.toBe(NO_VALUE);
  });
});
