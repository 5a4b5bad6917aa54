/** 34: nobody waits longer than `lockTimeout` for a creation of this process, and nobody ends another's wait. */

import { describe, expect, jest, test } from '@jest/globals';
import type { ConfigureOptions, Region } from '@stockpile/core';
import { AsyncBackend, Storage } from './helpers/async-backend.js';
import { KINDS, regionOn, setUp } from './helpers/setups.js';
import { failureOf, Gate, isPending, settle, TestClock } from './helpers/time.js';

const LOCK_TIMEOUT_MS = 30;
const endless = (): Promise<never> => new Promise(() => {});
const reason = new Error('the user left');

type Create = (region: Region<unknown>, key: string, creator: () => unknown) => Promise<unknown>;

const FORMS: Record<string, Create> = {
  getOrCreate: (region, key, creator) => region.getOrCreate(key, creator),
  getOrCreateMulti: async (region, key, creator) =>
    (await region.getOrCreateMulti([key], async () => [await creator()]))[0],
};
const PAIRS = Object.keys(FORMS).flatMap((first) => Object.keys(FORMS).map((second) => [first, second] as const));
const form = (name: string): Create => FORMS[name] as Create;

describe.each(KINDS)('over $kind', (kind) => {
  const withBound = (options: ConfigureOptions = {}) =>
    setUp(kind, { lockTimeout: LOCK_TIMEOUT_MS, ...options }).region;

  test.each(PAIRS)(
    "34: with 'throw', a creator of %s that never ends costs a %s lockTimeout",
    async (first, second) => {
      const region = withBound({ onLockTimeout: 'throw' });
      void form(first)(region, 'a', endless);
      await settle();
      const unneeded = jest.fn();
      expect(await failureOf(form(second)(region, 'a', unneeded))).toMatchObject({
        code: 'ERR_STOCKPILE_LOCK_TIMEOUT',
        key: 'a',
      });
      expect(unneeded).not.toHaveBeenCalled();
    },
  );

  test.each(PAIRS)(
    "34: with 'create', who has waited for %s in a %s creates without storing",
    async (first, second) => {
      const region = withBound();
      const gate = new Gate<string>();
      const old = form(first)(region, 'a', () => gate.promise);
      await settle();
      expect(await form(second)(region, 'a', () => 'mine')).toBe('mine');
      expect(await region.keyIsLocked('a')).toBe(true);
      gate.open('old');
      expect(await old).toBe('old');
      expect(await region.get('a')).toBe('old');
    },
  );

  test('34: all who have waited for lockTimeout share one creation', async () => {
    const region = withBound();
    void region.getOrCreate('a', endless);
    await settle();
    const gate = new Gate<string>();
    const creator = jest.fn(() => gate.promise);
    const calls = Array.from({ length: 20 }, () => region.getOrCreate('a', creator));
    await failureOf(region.getOrCreate('a', creator, { onLockTimeout: 'throw' })); // the last whose time is up
    await settle();
    gate.open('shared');
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['shared']));
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test.each(Object.keys(FORMS))('34: two creators that need the key of each other end, in %s', async (name) => {
    const region = withBound();
    const create = form(name);
    const started = new Gate();
    const needing = (key: string) => async () => {
      await started.promise;
      return create(region, key, () => `${key} alone`);
    };
    const calls = Promise.all([create(region, 'a', needing('b')), create(region, 'b', needing('a'))]);
    await settle();
    started.open();
    const values = await calls;
    expect(values.some((value) => value === 'a alone' || value === 'b alone')).toBe(true);
    expect(await region.keyIsLocked('a')).toBe(false);
    expect(await region.keyIsLocked('b')).toBe(false);
  });

  test.each(Object.keys(FORMS))('86: close ends within lockTimeout though a creator of %s does not', async (name) => {
    const region = withBound();
    void form(name)(region, 'a', endless);
    await settle();
    const closing = region.close();
    expect(await isPending(closing)).toBe(true);
    await closing;
    expect(await failureOf(region.get('a'))).toMatchObject({ code: 'ERR_STOCKPILE_REGION_CLOSED' });
  });

  test('44: the caller who leaves a key does not end a multi call that is to use it', async () => {
    const { region } = setUp(kind);
    const leaving = new AbortController();
    const created = new Gate<string>();
    const single = failureOf(
      region.getOrCreate(
        'a',
        ({ signal }) => {
          signal.addEventListener('abort', () => created.fail(signal.reason));
          return created.promise;
        },
        { signal: leaving.signal },
      ),
    );
    await settle();
    const own = new Gate<string[]>();
    const multi = region.getOrCreateMulti(['a', 'b'], () => own.promise);
    await settle();
    leaving.abort(reason);
    expect(await single).toBe(reason);
    created.open('A');
    own.open(['B']);
    expect(await multi).toEqual(['A', 'B']);
  });
});

test('34: what one multi call gave up is no reason to reject callers of its other keys', async () => {
  const clock = new TestClock();
  const storage = new Storage(clock);
  const backend = new AsyncBackend(storage, { locks: true });
  const region = regionOn(backend, clock);
  const elsewhere = storage.locks.mutex('r:b');
  await elsewhere.acquire({ wait: 0 });
  const gate = new Gate<string>();
  const other = regionOn(new AsyncBackend(storage, { locks: true }), clock);
  const failing = failureOf(other.getOrCreate('c', () => gate.promise));
  await settle();
  const multi = failureOf(
    region.getOrCreateMulti(['b', 'c'], (keys) => keys.map(() => 'multi'), {
      lockTimeout: LOCK_TIMEOUT_MS,
      onLockTimeout: 'throw',
    }),
  );
  await settle();
  gate.fail(reason); // frees c; the multi call still waits for b, and asks for both in its last round
  expect(await failing).toBe(reason);
  const last = backend.hold('lock', 'r:c');
  await last.arrived;
  const joiner = region.getOrCreate('c', () => 'mine');
  await settle();
  last.release();
  expect(await multi).toMatchObject({ code: 'ERR_STOCKPILE_LOCK_TIMEOUT', key: 'b' });
  expect(await joiner).toBe('mine');
});

describe('while another process holds the mutex', () => {
  async function held() {
    const clock = new TestClock();
    const storage = new Storage(clock);
    const region = regionOn(new AsyncBackend(storage, { locks: true }), clock);
    await storage.locks.mutex('r:a').acquire({ wait: 0 });
    return region;
  }

  test('34: who joins a patient caller waits no longer than its own lockTimeout', async () => {
    const region = await held();
    void region.getOrCreate('a', endless, { lockTimeout: 1000 });
    await settle();
    expect(await region.getOrCreate('a', () => 'mine', { lockTimeout: LOCK_TIMEOUT_MS })).toBe('mine');
  });

  test("34: a caller with 'throw' does not make those throw who joined it", async () => {
    const region = await held();
    const first = failureOf(
      region.getOrCreate('a', () => 'unneeded', { lockTimeout: LOCK_TIMEOUT_MS, onLockTimeout: 'throw' }),
    );
    await settle();
    const joiner = region.getOrCreate('a', () => 'mine', { lockTimeout: 3 * LOCK_TIMEOUT_MS });
    expect(await first).toMatchObject({ code: 'ERR_STOCKPILE_LOCK_TIMEOUT' });
    expect(await joiner).toBe('mine');
  });

  test('34: who joins a refresh waits no longer than its own lockTimeout', async () => {
    const region = await held();
    void region.refresh('a', endless, { lockTimeout: 1000 });
    await settle();
    const late = region.refresh('a', () => 'mine', { lockTimeout: LOCK_TIMEOUT_MS, onLockTimeout: 'throw' });
    expect(await failureOf(late)).toMatchObject({ code: 'ERR_STOCKPILE_LOCK_TIMEOUT' });
  });
});

test('34: all multi calls that have waited for lockTimeout share one creation', async () => {
  const { region } = setUp(KINDS[0] as (typeof KINDS)[number], { lockTimeout: LOCK_TIMEOUT_MS });
  void region.getOrCreate('a', endless);
  await settle();
  const gate = new Gate<string[]>();
  const creator = jest.fn(() => gate.promise);
  const calls = Array.from({ length: 5 }, () => region.getOrCreateMulti(['a'], creator));
  // the last whose time is up, by far: timers that are due end in the order of their times
  await failureOf(
    region.getOrCreate('a', () => 'unneeded', { lockTimeout: 3 * LOCK_TIMEOUT_MS, onLockTimeout: 'throw' }),
  );
  await settle();
  gate.open(['shared']);
  expect(await Promise.all(calls)).toEqual(calls.map(() => ['shared']));
  expect(creator).toHaveBeenCalledTimes(1);
});
