/** Renewal of hot entries before their time: XFetch, with the clock and the randomness in hand. */

import { describe, expect, jest, test } from '@jest/globals';
import { KINDS, type Setup, setUp, twoProcesses } from './helpers/setups.js';
import { failureOf, Gate, settle } from './helpers/time.js';

/** -log(1/e) = 1: an entry is early as soon as its age plus its creation time reach the expiration time. */
const options = { expirationTime: 1000, earlyRefresh: { random: () => 1 / Math.E } };

/** The entry `a`, which took 100 ms to create: early from 900 ms on. */
async function createSlowly({ clock, region }: Pick<Setup, 'clock' | 'region'>): Promise<void> {
  await region.getOrCreate('a', () => {
    clock.advance(100);
    return 'old';
  });
}

describe.each(KINDS)('over $kind', (kind) => {
  test('45: far from the edge nobody regenerates', async () => {
    const setup = setUp(kind, options);
    await createSlowly(setup);
    setup.clock.advance(899);
    const creator = jest.fn(() => 'new');
    const values = await Promise.all(Array.from({ length: 50 }, () => setup.region.getOrCreate('a', creator)));
    expect(new Set(values)).toEqual(new Set(['old']));
    expect(creator).not.toHaveBeenCalled();
  });

  test('45: near the edge one of many callers regenerates, and the others get the hit', async () => {
    const setup = setUp(kind, options);
    const { clock, region } = setup;
    await createSlowly(setup);
    clock.advance(900);
    const gate = new Gate<string>();
    const creator = jest.fn(() => gate.promise);
    const calls = Array.from({ length: 50 }, () => region.getOrCreate('a', creator));
    await settle();
    gate.open('new');
    const values = await Promise.all(calls);
    expect(values.filter((value) => value === 'new')).toHaveLength(1);
    expect(values.filter((value) => value === 'old')).toHaveLength(49);
    expect(creator).toHaveBeenCalledTimes(1);
    expect(await region.get('a')).toBe('new');
    expect(region.stats()).toMatchObject({ hits: 50, staleHits: 0 });
  });

  test('45: the chance is that of the random number, the creation time and beta', async () => {
    const setup = setUp(kind, { expirationTime: 1000 });
    const { clock, region } = setup;
    const random = jest.fn(() => 0.5);
    const creator = jest.fn(() => {
      clock.advance(100);
      return 'new';
    });
    await region.getOrCreate('a', creator, { earlyRefresh: { beta: 2, random } });
    clock.advance(861); // 1000 - 2 * 100 * ln 2 = 861.4
    await region.getOrCreate('a', creator, { earlyRefresh: { beta: 2, random } });
    expect(creator).toHaveBeenCalledTimes(1);
    clock.advance(1);
    await region.getOrCreate('a', creator, { earlyRefresh: { beta: 1, random } });
    await region.getOrCreate('a', creator);
    expect(creator).toHaveBeenCalledTimes(1);
    await region.getOrCreate('a', creator, { earlyRefresh: { beta: 2, random } });
    expect(creator).toHaveBeenCalledTimes(2);
  });

  test('45: a creator that fails early harms nobody: the entry is still fresh', async () => {
    const setup = setUp(kind, options);
    const { clock, region } = setup;
    await createSlowly(setup);
    clock.advance(950);
    expect(await region.getOrCreate('a', () => Promise.reject(new Error('no')))).toBe('old');
    expect(await region.getOrCreateMulti(['a'], () => Promise.reject(new Error('no')))).toEqual(['old']);
    clock.advance(50);
    expect(await failureOf(region.getOrCreate('a', () => Promise.reject(new Error('no'))))).toBeInstanceOf(Error);
  });

  test('45: in the background also the caller that regenerates gets the hit', async () => {
    const setup = setUp(kind, { ...options, background: true });
    const { clock, region } = setup;
    await createSlowly(setup);
    clock.advance(900);
    expect(await region.getOrCreate('a', () => 'new')).toBe('old');
    await settle();
    expect(await region.get('a')).toBe('new');
  });

  test('45: getOrCreateMulti renews early what is near its edge, and only that', async () => {
    const setup = setUp(kind, options);
    const { clock, region } = setup;
    await createSlowly(setup);
    clock.advance(900);
    await region.set('b', 'b');
    const creator = jest.fn((keys: readonly string[]) => keys.map((key) => `new ${key}`));
    expect(await region.getOrCreateMulti(['a', 'b'], creator)).toEqual(['new a', 'b']);
    expect(creator.mock.calls.map(([keys]) => keys)).toEqual([['a']]);
  });

  test('45: an entry that never expires is never early', async () => {
    const setup = setUp(kind, { earlyRefresh: { random: () => 0 } });
    await createSlowly(setup);
    setup.clock.advance(1e12);
    expect(await setup.region.getOrCreate('a', () => 'new')).toBe('old');
  });

  test.each([[0], [-1], [Number.NaN]])('45: a beta of %p is refused', async (beta) => {
    const { region } = setUp(kind);
    const call = region.getOrCreate('a', () => 1, { earlyRefresh: { beta } });
    expect(await failureOf(call)).toMatchObject({ code: 'ERR_STOCKPILE_VALIDATION' });
  });
});

describe.each(['getOrCreate', 'getOrCreateMulti'] as const)('%s in two processes', (method) => {
  const always = { expirationTime: 1000, earlyRefresh: { random: () => 1e-300 } };

  test('45: what another process has just stored is used, however the dice fall', async () => {
    const { clock, a, b } = twoProcesses(always);
    const read = b.backend.hold(method === 'getOrCreate' ? 'get' : 'getMulti');
    const creator = jest.fn(() => 'unneeded');
    const late =
      method === 'getOrCreate'
        ? b.region.getOrCreate('a', creator)
        : b.region.getOrCreateMulti(['a'], (keys) => keys.map(creator));
    await read.arrived;
    await createSlowly({ clock, region: a.region });
    read.release();
    expect([await late].flat()).toEqual(['old']);
    expect(creator).not.toHaveBeenCalled();
  });

  test('45: what was waited for is used, however the dice fall', async () => {
    const { clock, a, b } = twoProcesses(always);
    const gate = new Gate<string>();
    const first = a.region.getOrCreate('a', () => gate.promise);
    await settle();
    const creator = jest.fn(() => 'unneeded');
    const waiter =
      method === 'getOrCreate'
        ? b.region.getOrCreate('a', creator)
        : b.region.getOrCreateMulti(['a'], (keys) => keys.map(creator));
    await settle();
    clock.advance(100);
    gate.open('new');
    expect(await first).toBe('new');
    expect([await waiter].flat()).toEqual(['new']);
    expect(creator).not.toHaveBeenCalled();
  });
});
