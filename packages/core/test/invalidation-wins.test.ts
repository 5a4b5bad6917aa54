/** 58: what is deleted, written or invalidated while a creator runs is not undone by its result. */

import { describe, expect, jest, test } from '@jest/globals';
import { NO_VALUE, type Region, sharedInvalidator } from '@stockpile/core';
import { KINDS, regionOn, setUp, twoProcesses } from './helpers/setups.js';
import { Gate, settle } from './helpers/time.js';

/** Every way to create key `a`. */
const WAYS: Record<string, (region: Region<unknown>, creator: () => unknown) => Promise<unknown>> = {
  getOrCreate: (region, creator) => region.getOrCreate('a', creator, { tags: ['red'] }),
  getOrCreateMulti: async (region, creator) =>
    (await region.getOrCreateMulti(['b', 'a'], async () => ['b', await creator()], { tags: ['red'] }))[1],
  refresh: (region, creator) => region.refresh('a', creator, { tags: ['red'] }),
  'a cached function': (region, creator) =>
    region.cacheFunction(creator, { name: 'f', tags: ['red'], key: () => 'a' }).call(undefined) as Promise<unknown>,
};
const FUNCTION_KEY = createFunctionKey();

function createFunctionKey(): string {
  return setUp(KINDS[0] as (typeof KINDS)[number])
    .region.cacheFunction(() => 1, { name: 'f', key: () => 'a' })
    .key();
}

/** Every way to come between, and what `get` shows afterwards. */
const INTERRUPTIONS: Record<
  string,
  { act: (region: Region<unknown>, key: string) => Promise<unknown>; shows: unknown }
> = {
  delete: { act: (region, key) => region.delete(key), shows: NO_VALUE },
  deleteMulti: { act: (region, key) => region.deleteMulti([key]), shows: NO_VALUE },
  set: { act: (region, key) => region.set(key, 'set'), shows: 'set' },
  setMulti: { act: (region, key) => region.setMulti({ [key]: 'set' }), shows: 'set' },
  increment: { act: (region, key) => region.increment(key, 5), shows: 5 },
  clear: { act: (region) => region.clear(), shows: NO_VALUE },
  'a hard invalidation': { act: (region) => region.invalidate(), shows: NO_VALUE },
  'a soft invalidation': { act: (region) => region.invalidate({ hard: false }), shows: NO_VALUE },
  'an invalidation of its tag': { act: (region) => region.invalidate({ tags: ['red'] }), shows: NO_VALUE },
  'a soft invalidation of its tag': {
    act: (region) => region.invalidate({ hard: false, tags: ['blue', 'red'] }),
    shows: NO_VALUE,
  },
};

const CASES = Object.keys(WAYS).flatMap((way) => Object.keys(INTERRUPTIONS).map((what) => [what, way] as const));

describe.each(KINDS)('over $kind', (kind) => {
  test.each(CASES)('58: %s wins over a running %s', async (what, way) => {
    const { region } = setUp(kind);
    const key = way === 'a cached function' ? FUNCTION_KEY : 'a';
    const { act, shows } = INTERRUPTIONS[what] as (typeof INTERRUPTIONS)[string];
    const create = WAYS[way] as (typeof WAYS)[string];
    const gate = new Gate<string>();
    const call = create(region, () => gate.promise);
    await settle();
    expect(await region.keyIsLocked(key)).toBe(true);
    await act(region, key);
    gate.open('created');
    expect(await call).toBe('created');
    expect(await region.get(key)).toBe(shows);
    expect(region.stats().superseded).toBeGreaterThanOrEqual(1);
    expect(await region.keyIsLocked(key)).toBe(false);
    await region.delete(key);
    expect(await region.getOrCreate(key, () => 'again')).toBe('again');
    expect(await region.get(key)).toBe('again');
  });

  test.each(Object.keys(WAYS))(
    '58: who comes after the delete does not join the old %s, nor wait for it',
    async (way) => {
      const { region } = setUp(kind);
      const key = way === 'a cached function' ? FUNCTION_KEY : 'a';
      const gate = new Gate<string>();
      const old = (WAYS[way] as (typeof WAYS)[string])(region, () => gate.promise);
      await settle();
      await region.delete(key);
      expect(await region.getOrCreate(key, () => 'newcomer')).toBe('newcomer');
      expect(await region.getOrCreateMulti([key], () => ['unneeded'])).toEqual(['newcomer']);
      gate.open('old');
      expect(await old).toBe('old');
      expect(await region.get(key)).toBe('newcomer');
    },
  );

  test('58: newcomers after the delete share one creation of their own', async () => {
    const { region } = setUp(kind);
    const gates = [new Gate<string>(), new Gate<string>()] as const;
    const old = region.getOrCreate('a', () => gates[0].promise);
    await settle();
    await region.delete('a');
    const creator = jest.fn(() => gates[1].promise);
    const newcomers = Array.from({ length: 10 }, () => region.getOrCreate('a', creator));
    const many = region.getOrCreateMulti(['a'], async () => [await creator()]);
    await settle();
    gates[0].open('old');
    expect(await old).toBe('old');
    gates[1].open('new');
    expect(new Set(await Promise.all(newcomers))).toEqual(new Set(['new']));
    expect(await many).toEqual(['new']);
    expect(creator).toHaveBeenCalledTimes(1);
    expect(await region.get('a')).toBe('new');
  });

  test('58: newcomers after an invalidation of a tag do not join the old creation', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<string>();
    const old = region.getOrCreate('a', () => gate.promise, { tags: ['red'] });
    await settle();
    await region.invalidate({ tags: ['red'] });
    const creator = jest.fn(() => 'new');
    const newcomer = region.getOrCreate('a', creator, { tags: ['red'] });
    await settle();
    gate.open('old');
    expect(await old).toBe('old');
    expect(await newcomer).toBe('new');
    expect(await region.get('a')).toBe('new');
  });

  test('58: an invalidation of another tag, or a write of another key, concerns no creation', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<string>();
    const call = region.getOrCreate('a', () => gate.promise, { tags: ['red'] });
    await settle();
    await region.invalidate({ tags: ['blue'] });
    await region.set('aa', 1);
    await region.delete('b');
    gate.open('created');
    expect(await call).toBe('created');
    expect(await region.get('a')).toBe('created');
  });

  test('58: a delete that came before the creator began does not concern its result', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<string>();
    const first = region.getOrCreate('a', () => gate.promise);
    await settle();
    const waiting = region.refresh('a', () => 'refreshed'); // waits for the mutex
    await settle();
    await region.delete('a');
    expect(await waiting).toBe('refreshed');
    gate.open('old');
    expect(await first).toBe('old');
    expect(await region.get('a')).toBe('refreshed');
  });

  test('58: of a multi creation the other keys are stored', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<number[]>();
    const call = region.getOrCreateMulti(['a', 'b', 'c'], () => gate.promise);
    await settle();
    await region.delete('b');
    gate.open([1, 2, 3]);
    expect(await call).toEqual([1, 2, 3]);
    expect(await region.getMulti(['a', 'b', 'c'])).toEqual([1, NO_VALUE, 3]);
  });

  test('58: a delete by another region on the same backend object and namespace wins too', async () => {
    const { backend, clock, region } = setUp(kind);
    const other = regionOn(backend, clock);
    const gate = new Gate<string>();
    const call = region.getOrCreate('a', () => gate.promise);
    await settle();
    await other.delete('a');
    gate.open('created');
    expect(await call).toBe('created');
    expect(await other.get('a')).toBe(NO_VALUE);
  });

  test('58: an invalidation by another region concerns that region alone', async () => {
    const { backend, clock, region } = setUp(kind);
    const other = regionOn(backend, clock);
    const gate = new Gate<string>();
    const call = region.getOrCreate('a', () => gate.promise);
    await settle();
    await other.invalidate();
    gate.open('created');
    await call;
    expect(await region.get('a')).toBe('created');
  });

  test('58: a creator that deletes its own key is not stored', async () => {
    const { region } = setUp(kind);
    const creator = async (): Promise<string> => {
      await region.delete('a');
      return 'created';
    };
    expect(await region.getOrCreate('a', creator)).toBe('created');
    expect(await region.get('a')).toBe(NO_VALUE);
  });

  test('58: a background creation is overtaken as well', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000, background: true });
    await region.set('a', 'old');
    clock.advance(1000);
    const gate = new Gate<string>();
    expect(await region.getOrCreate('a', () => gate.promise)).toBe('old');
    await settle();
    await region.delete('a');
    gate.open('created');
    await settle();
    expect(await region.get('a')).toBe(NO_VALUE);
  });
});

describe('in two processes with fenced locks', () => {
  test.each(Object.keys(WAYS))('58: a delete in one process wins over a running %s in the other', async (way) => {
    const { a, b } = twoProcesses();
    const key = way === 'a cached function' ? FUNCTION_KEY : 'a';
    const gate = new Gate<string>();
    const call = (WAYS[way] as (typeof WAYS)[string])(a.region, () => gate.promise);
    await settle();
    await b.region.delete(key);
    gate.open('created');
    expect(await call).toBe('created');
    expect(await b.region.get(key)).toBe(NO_VALUE);
    expect(a.region.stats().superseded).toBe(1);
  });

  test('58: a set in one process wins over a creator in the other', async () => {
    const { a, b } = twoProcesses();
    const gate = new Gate<string>();
    const call = a.region.getOrCreate('a', () => gate.promise);
    await settle();
    await b.region.set('a', 'set');
    gate.open('created');
    expect(await call).toBe('created');
    expect(await a.region.get('a')).toBe('set');
  });

  test.each(Object.keys(WAYS).flatMap((way) => [[way, 'events'] as const, [way, 'polling'] as const]))(
    '58: a shared invalidation in one process wins over %s in the other, which hears of it by %s',
    async (way, by) => {
      const { clock, a, b } = twoProcesses(() => ({ regionInvalidator: sharedInvalidator() }), {
        without: by === 'polling' ? ['events'] : [],
      });
      const key = way === 'a cached function' ? FUNCTION_KEY : 'a';
      const gate = new Gate<string>();
      const call = (WAYS[way] as (typeof WAYS)[string])(a.region, () => gate.promise);
      await settle();
      await b.region.invalidate();
      clock.advance(10); // what is stored now would count as valid
      gate.open('created');
      expect(await call).toBe('created');
      expect(await a.region.get(key, { ignoreExpiration: true })).toBe(NO_VALUE);
      expect(await b.region.get(key)).toBe(NO_VALUE);
      expect(a.region.stats().superseded).toBeGreaterThanOrEqual(1);
    },
  );
});
