/** Creators that fail: what callers get, and when it is tried again. */

import { describe, expect, jest, test } from '@jest/globals';
import { CreatorFailures } from '../src/failures.js';
import { planOf } from '../src/options.js';
import { KINDS, type Setup, setUp } from './helpers/setups.js';
import { failureOf, Gate, settle } from './helpers/time.js';

const error = new Error('no database');

async function fail(): Promise<never> {
  throw error;
}

async function makeStale({ clock, region }: Pick<Setup, 'clock' | 'region'>): Promise<void> {
  await region.set('a', 'old');
  clock.advance(1500);
}

describe.each(KINDS)('over $kind', (kind) => {
  test.each([
    ['an Error', error],
    ['a text', 'no'],
    ['undefined', undefined],
  ])("36: a creator's rejection with %s reaches the caller unchanged, and the mutex is free", async (_, reason) => {
    const { region } = setUp(kind);
    expect(await failureOf(region.getOrCreate('a', () => Promise.reject(reason)))).toBe(reason);
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test('36: a creator that throws at once is one that rejects', async () => {
    const { region } = setUp(kind);
    const creator = (): never => {
      throw error;
    };
    expect(await failureOf(region.getOrCreate('a', creator))).toBe(error);
    expect(await failureOf(region.refresh('a', creator))).toBe(error);
    expect(await failureOf(region.getOrCreateMulti(['a', 'b'], creator))).toBe(error);
    expect(await region.keyIsLocked('a')).toBe(false);
    expect(await region.keyIsLocked('b')).toBe(false);
    expect(region.stats().creationErrors).toBe(3);
  });

  test('36: the stale value stays when the creator fails', async () => {
    const setup = setUp(kind, { expirationTime: 1000 });
    await makeStale(setup);
    expect(await failureOf(setup.region.getOrCreate('a', fail))).toBe(error);
    expect(await setup.region.get('a', { ignoreExpiration: true })).toBe('old');
  });

  test('36: serveStaleOnError returns the stale value and tries again after the back-off', async () => {
    const setup = setUp(kind, { expirationTime: 1000, grace: '1h' });
    const { clock, region } = setup;
    await makeStale(setup);
    const creator = jest.fn(fail);
    const options = { serveStaleOnError: '10s' } as const;
    expect(await region.getOrCreate('a', creator, options)).toBe('old');
    expect(creator).toHaveBeenCalledTimes(1);
    clock.advance(9999);
    expect(await region.getOrCreate('a', creator, options)).toBe('old');
    expect(creator).toHaveBeenCalledTimes(1);
    clock.advance(1);
    expect(await region.getOrCreate('a', creator, options)).toBe('old');
    expect(creator).toHaveBeenCalledTimes(2);
    clock.advance(10_000);
    expect(await region.getOrCreate('a', async () => 'new', options)).toBe('new');
    expect(await region.get('a')).toBe('new');
  });

  test('36: serveStaleOnError: true backs off for one second, also behind a stale value', async () => {
    const setup = setUp(kind, { expirationTime: 1000, grace: '1h', serveStaleOnError: true, background: true });
    const { clock, region } = setup;
    await makeStale(setup);
    const creator = jest.fn(fail);
    for (const ms of [0, 999, 1]) {
      clock.advance(ms);
      expect(await region.getOrCreate('a', creator)).toBe('old');
      await settle();
    }
    expect(creator).toHaveBeenCalledTimes(2);
  });

  test('36: serveStaleOnError changes nothing where there is no stale value', async () => {
    const { region } = setUp(kind, { serveStaleOnError: true });
    expect(await failureOf(region.getOrCreate('a', fail))).toBe(error);
    expect(await region.getOrCreate('a', () => 'new')).toBe('new');
  });

  test("36: who waits with stale: 'wait' is served the stale value when the creator fails", async () => {
    const setup = setUp(kind, { expirationTime: 1000, stale: 'wait', serveStaleOnError: true });
    const { region } = setup;
    await makeStale(setup);
    const gate = new Gate();
    const calls = [1, 2, 3].map(() => region.getOrCreate('a', () => gate.promise));
    const multi = region.getOrCreateMulti(['a'], (keys) => keys.map(() => 'unneeded'));
    await settle();
    gate.fail(error);
    expect(await Promise.all(calls)).toEqual(['old', 'old', 'old']);
    expect(await multi).toEqual(['old']);
  });

  test('36: getOrCreateMulti serves its stale values when the creator fails, and backs off', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000, grace: '1h', serveStaleOnError: '10s' });
    await region.setMulti({ a: 1, b: 2 });
    clock.advance(1000);
    const creator = jest.fn(fail);
    expect(await region.getOrCreateMulti(['a', 'b'], creator)).toEqual([1, 2]);
    clock.advance(9999);
    expect(await region.getOrCreateMulti(['b', 'a'], creator)).toEqual([2, 1]);
    expect(await region.getOrCreate('a', creator)).toBe(1);
    expect(creator).toHaveBeenCalledTimes(1);
    clock.advance(1);
    expect(await region.getOrCreateMulti(['a', 'b'], creator)).toEqual([1, 2]);
    expect(creator).toHaveBeenCalledTimes(2);
  });

  test('37: within errorTtl later callers get the same error without a creator call', async () => {
    const { clock, region } = setUp(kind, { errorTtl: '10s' });
    const creator = jest.fn(fail);
    expect(await failureOf(region.getOrCreate('a', creator))).toBe(error);
    clock.advance(9999);
    expect(await failureOf(region.getOrCreate('a', creator))).toBe(error);
    expect(await failureOf(region.getOrCreateMulti(['b', 'a'], creator))).toBe(error);
    expect(creator).toHaveBeenCalledTimes(1);
    expect(await region.getOrCreate('b', () => 'other keys are not concerned')).toBeDefined();
    clock.advance(1);
    expect(await region.getOrCreate('a', () => 'new')).toBe('new');
  });

  test('37: within errorTtl also callers of a stale key get the error, and its creator is spared', async () => {
    const setup = setUp(kind, { expirationTime: 1000, grace: '1h', errorTtl: '10s' });
    await makeStale(setup);
    const creator = jest.fn(fail);
    expect(await failureOf(setup.region.getOrCreate('a', creator))).toBe(error);
    expect(await failureOf(setup.region.getOrCreate('a', creator))).toBe(error);
    expect(await failureOf(setup.region.getOrCreateMulti(['a'], creator))).toBe(error);
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test.each(['delete', 'deleteMulti', 'invalidate', 'clear'] as const)(
    '37: %s ends a remembered error',
    async (method) => {
      const { region } = setUp(kind, { errorTtl: Infinity });
      expect(await failureOf(region.getOrCreate('a', fail))).toBe(error);
      if (method === 'delete') await region.delete('a');
      else if (method === 'deleteMulti') await region.deleteMulti(['a']);
      else await region[method]();
      expect(await region.getOrCreate('a', () => 'new')).toBe('new');
    },
  );

  test.each(['set', 'setMulti', 'refresh'] as const)('37: %s ends a remembered error', async (method) => {
    const { clock, region } = setUp(kind, { expirationTime: 1000, grace: 0, errorTtl: Infinity });
    expect(await failureOf(region.getOrCreate('a', fail))).toBe(error);
    if (method === 'set') await region.set('a', 'written');
    else if (method === 'setMulti') await region.setMulti({ a: 'written' });
    else await region.refresh('a', () => 'written');
    expect(await region.getOrCreate('a', fail)).toBe('written');
    clock.advance(1000);
    expect(await region.getOrCreate('a', () => 'new')).toBe('new');
  });

  test('37: without errorTtl every later caller tries again', async () => {
    const { region } = setUp(kind);
    const creator = jest.fn(fail);
    for (let call = 0; call < 3; call++) expect(await failureOf(region.getOrCreate('a', creator))).toBe(error);
    expect(creator).toHaveBeenCalledTimes(3);
  });

  test("37: that all callers have left is not remembered as the creator's error", async () => {
    const { region } = setUp(kind, { errorTtl: '10s' });
    const leaving = new AbortController();
    const call = region.getOrCreate(
      'a',
      ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      { signal: leaving.signal },
    );
    const left = failureOf(call);
    await settle();
    leaving.abort();
    await left;
    await settle();
    expect(await region.getOrCreate('a', () => 'mine')).toBe('mine');
  });
});

test('37: long remembered failures do not keep short ones in memory', () => {
  const failures = new CreatorFailures();
  const note = (key: string, errorTtl: number, now: number): void =>
    failures.note(key, error, now, planOf({ errorTtl }));
  note('long 1', Infinity, 0);
  note('long 2', Infinity, 0);
  const keys = Array.from({ length: 1000 }, (_, i) => `short ${i}`);
  for (const [i, key] of keys.entries()) note(key, 1, i * 10);
  // asked as of the time at which it was noted, whatever is kept would still be given
  const kept = keys.filter((key, i) => failures.remembered(key, i * 10) !== undefined);
  expect(kept.length).toBeLessThan(10);
  expect(failures.remembered('long 1', 10_000)).toEqual(expect.objectContaining({ error }));
  expect(failures.remembered('long 2', 10_000)).toEqual(expect.objectContaining({ error }));
});
