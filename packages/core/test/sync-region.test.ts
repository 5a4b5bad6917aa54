/** region.sync: the same behaviours without promises. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { type ConfigureOptions, type CreatorContext, type MultiAnswer, NO_VALUE } from '@stockpile/core';
import { Counter, regionOn, reported } from './helpers/setups.js';
import { failureOf, Gate, settle, TestClock } from './helpers/time.js';

function setUp(options?: ConfigureOptions) {
  const clock = new TestClock();
  const backend = new MemoryBackend({ clock });
  const region = regionOn(backend, clock, options);
  return { clock, backend, region, sync: region.sync };
}

function makeStale({ clock, sync }: Pick<ReturnType<typeof setUp>, 'clock' | 'sync'>): void {
  sync.set('a', 'old');
  clock.advance(1500);
}

const error = new Error('no database');
const fail = (): never => {
  throw error;
};
const naming = () => jest.fn((keys: readonly string[]): MultiAnswer<unknown> => keys.map((key) => `new ${key}`));

describe('getOrCreate', () => {
  test('26: an absent key is created once and then hit', () => {
    const counter = new Counter();
    const { sync } = setUp({ wrap: [counter] });
    const creator = jest.fn(({ key, stale }: CreatorContext) => [key, stale]);
    expect(sync.getOrCreate('a', creator)).toEqual(['a', NO_VALUE]);
    expect(counter.counts.getMutex).toBe(1);
    expect(sync.getOrCreate('a', creator)).toEqual(['a', NO_VALUE]);
    expect(creator).toHaveBeenCalledTimes(1);
    expect(counter.counts).toMatchObject({ getMutex: 1, set: 1 });
    expect(sync.keyIsLocked('a')).toBe(false);
  });

  test.each([[undefined], [null], [0], [''], [false]])('26: a created %p is cached as itself', (value) => {
    const { sync } = setUp();
    expect(sync.getOrCreate('a', () => value)).toBe(value);
    expect(sync.getOrCreate('a', () => 'other')).toBe(value);
  });

  test('26: NO_VALUE, a promise and what is no function are refused, and the key is free', () => {
    const { sync } = setUp();
    for (const creator of [() => NO_VALUE, async () => 1, 1 as unknown as () => number]) {
      expect(() => sync.getOrCreate('a', creator)).toThrow(
        expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
      );
      expect(sync.keyIsLocked('a')).toBe(false);
    }
    expect(sync.getOrCreate('a', () => 1)).toBe(1);
  });

  test('27: a stale key is created anew, and its creator sees the old value', () => {
    const setup = setUp({ expirationTime: 1000 });
    makeStale(setup);
    expect(setup.sync.getOrCreate('a', ({ stale }) => [stale])).toEqual(['old']);
    expect(setup.sync.get('a')).toEqual(['old']);
  });

  test('47: a stale key that is being created elsewhere is served at once', async () => {
    const setup = setUp({ expirationTime: 1000, stale: 'wait' });
    makeStale(setup);
    const gate = new Gate<string>();
    const elsewhere = setup.region.getOrCreate('a', () => gate.promise);
    await settle();
    const creator = jest.fn(() => 'unneeded');
    expect(setup.sync.getOrCreate('a', creator)).toBe('old');
    expect(setup.sync.getOrCreateMulti(['a'], (keys) => keys.map(creator))).toEqual(['old']);
    expect(creator).not.toHaveBeenCalled();
    gate.open('new');
    expect(await elsewhere).toBe('new');
  });

  test('47: an absent key that is being created elsewhere is created, not stored', async () => {
    const { region, sync } = setUp();
    const gate = new Gate<string>();
    const elsewhere = region.getOrCreate('a', () => gate.promise);
    await settle();
    expect(sync.getOrCreate('a', () => 'mine')).toBe('mine');
    expect(sync.get('a')).toBe(NO_VALUE);
    expect(sync.getOrCreateMulti(['a', 'b'], naming())).toEqual(['new a', 'new b']);
    expect(sync.getMulti(['a', 'b'])).toEqual([NO_VALUE, 'new b']);
    gate.open('theirs');
    expect(await elsewhere).toBe('theirs');
    expect(sync.get('a')).toBe('theirs');
  });

  test("34: with onLockTimeout: 'throw' an absent key that is being created elsewhere is a LockTimeoutError", async () => {
    const { region, sync } = setUp();
    const gate = new Gate<string>();
    const elsewhere = region.getOrCreate('a', () => gate.promise);
    await settle();
    expect(() => sync.getOrCreate('a', () => 'mine', { onLockTimeout: 'throw' })).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_LOCK_TIMEOUT', key: 'a' }),
    );
    gate.open('theirs');
    expect(await elsewhere).toBe('theirs');
  });

  test('29: in the background the old value is served now, and one creator runs behind', async () => {
    const setup = setUp({ expirationTime: 1000 });
    const { sync } = setup;
    makeStale(setup);
    const works: Promise<void>[] = [];
    const options = { background: (work: Promise<void>) => void works.push(work) };
    const creator = jest.fn(() => 'new');
    for (let call = 0; call < 5; call++) expect(sync.getOrCreate('a', creator, options)).toBe('old');
    expect(creator).not.toHaveBeenCalled();
    await Promise.all(works);
    expect(creator).toHaveBeenCalledTimes(1);
    expect(sync.getOrCreate('a', creator)).toBe('new');
  });

  test('29: a failing background creator is called once, and is an event and a count', async () => {
    const setup = setUp({ expirationTime: 1000, background: true });
    makeStale(setup);
    const creator = jest.fn(fail);
    const messages = await reported(async () => {
      for (let call = 0; call < 5; call++) expect(setup.sync.getOrCreate('a', creator)).toBe('old');
      await settle();
    });
    expect(messages).toEqual([{ region: 'r', key: 'a', operation: 'background', error }]);
    expect(creator).toHaveBeenCalledTimes(1);
    expect(setup.sync.keyIsLocked('a')).toBe(false);
  });

  test('30: what is gone is created in the foreground also with background', () => {
    const { clock, sync } = setUp({ expirationTime: 1000, background: true });
    expect(sync.getOrCreate('a', () => 1)).toBe(1);
    sync.invalidate();
    expect(sync.getOrCreate('a', ({ stale }) => [stale])).toEqual([NO_VALUE]);
    clock.advance(2000);
    expect(sync.getOrCreate('a', () => 3)).toBe(3);
  });

  test("36: a creator's error is thrown unchanged, the mutex is free, the stale value stays", () => {
    const setup = setUp({ expirationTime: 1000 });
    makeStale(setup);
    expect(() => setup.sync.getOrCreate('a', fail)).toThrow(error);
    expect(setup.sync.keyIsLocked('a')).toBe(false);
    expect(setup.sync.get('a', { ignoreExpiration: true })).toBe('old');
    expect(setup.sync.getOrCreate('a', () => 'new')).toBe('new');
  });

  test('36: serveStaleOnError returns the stale value and backs off', () => {
    const setup = setUp({ expirationTime: 1000, grace: '1h', serveStaleOnError: '10s' });
    makeStale(setup);
    const creator = jest.fn(fail);
    for (const ms of [0, 9999, 1]) {
      setup.clock.advance(ms);
      expect(setup.sync.getOrCreate('a', creator)).toBe('old');
    }
    expect(creator).toHaveBeenCalledTimes(2);
  });

  test('37: errorTtl spares the failing creator, for the other form too', async () => {
    const { clock, region, sync } = setUp({ errorTtl: '10s' });
    const creator = jest.fn(fail);
    expect(() => sync.getOrCreate('a', creator)).toThrow(error);
    clock.advance(9999);
    expect(() => sync.getOrCreate('a', creator)).toThrow(error);
    expect(() => sync.getOrCreateMulti(['a'], creator)).toThrow(error);
    expect(await failureOf(region.getOrCreate('a', creator))).toBe(error);
    expect(creator).toHaveBeenCalledTimes(1);
    clock.advance(1);
    expect(sync.getOrCreate('a', () => 'new')).toBe('new');
  });

  test('37: errorTtl spares the failing creator of a stale key', () => {
    const setup = setUp({ expirationTime: 1000, grace: '1h', errorTtl: '10s' });
    makeStale(setup);
    const creator = jest.fn(fail);
    expect(() => setup.sync.getOrCreate('a', creator)).toThrow(error);
    expect(() => setup.sync.getOrCreate('a', creator)).toThrow(error);
    expect(creator).toHaveBeenCalledTimes(1);
    setup.sync.set('a', 'set');
    expect(setup.sync.getOrCreate('a', creator)).toBe('set');
  });

  test('38: what shouldCache refuses, and doNotCache, are returned and not stored', () => {
    const { sync } = setUp();
    const shouldCache = jest.fn((_value: unknown, _key: string) => false);
    expect(sync.getOrCreate('a', () => 1, { shouldCache })).toBe(1);
    expect(shouldCache.mock.calls).toEqual([[1, 'a']]);
    expect(sync.getOrCreate('a', ({ doNotCache }) => [doNotCache()])).toEqual([undefined]);
    expect(sync.get('a')).toBe(NO_VALUE);
  });

  test('39: expiration and tags of the call and of the creator are stored', () => {
    const { sync } = setUp({ expirationTime: '1h' });
    sync.getOrCreate('a', ({ tags }) => tags('red'), { expirationTime: '1s', tags: ['given'] });
    expect(sync.getEntry('a')).toMatchObject({ expirationTime: 1000, tags: ['given', 'red'] });
    sync.getOrCreate('b', ({ setExpirationTime }) => setExpirationTime('2s'));
    expect(sync.getEntry('b')).toMatchObject({ expirationTime: 2000 });
  });

  test('40: with expirationTime 0 every call creates', () => {
    const { sync } = setUp({ expirationTime: 0 });
    const creator = jest.fn(() => 1);
    sync.getOrCreate('a', creator);
    sync.getOrCreate('a', creator);
    expect(creator).toHaveBeenCalledTimes(2);
  });

  test('41: with expirationTime Infinity a softly invalidated entry is created anew', () => {
    const { sync } = setUp({ expirationTime: Infinity });
    sync.set('a', 'old');
    sync.invalidate({ hard: false });
    expect(sync.getOrCreate('a', () => 'new', { expirationTime: Infinity })).toBe('new');
    expect(sync.get('a')).toBe('new');
  });

  test('43: a creator may ask for another key, but not for its own', () => {
    const { sync } = setUp();
    expect(sync.getOrCreate('a', () => `a${sync.getOrCreate('b', () => 'b')}`)).toBe('ab');
    const refused = expect.objectContaining({ code: 'ERR_STOCKPILE_RECURSIVE_CREATION' });
    expect(() => sync.getOrCreate('c', () => sync.getOrCreate('c', () => 1))).toThrow(refused);
    expect(() => sync.getOrCreate('c', () => sync.getOrCreateMulti(['d', 'c'], naming()))).toThrow(refused);
    expect(sync.keyIsLocked('c')).toBe(false);
    expect(sync.keyIsLocked('d')).toBe(false);
  });

  test('45: near the edge an entry is renewed early, far from it not', () => {
    const { clock, sync } = setUp({ expirationTime: 1000, earlyRefresh: { random: () => 1 / Math.E } });
    sync.getOrCreate('a', () => {
      clock.advance(100);
      return 'old';
    });
    clock.advance(899);
    expect(sync.getOrCreate('a', () => 'new')).toBe('old');
    clock.advance(1);
    expect(sync.getOrCreate('a', fail)).toBe('old');
    expect(sync.getOrCreate('a', () => 'new')).toBe('new');
  });

  const interruptions: Record<string, [(sync: ReturnType<typeof setUp>['sync']) => unknown, unknown]> = {
    delete: [(sync) => sync.delete('a'), NO_VALUE],
    set: [(sync) => sync.set('a', 'set'), 'set'],
    clear: [(sync) => sync.clear(), NO_VALUE],
    'a hard invalidation': [(sync) => sync.invalidate(), NO_VALUE],
    'a soft invalidation': [(sync) => sync.invalidate({ hard: false }), NO_VALUE],
    'an invalidation of its tag': [(sync) => sync.invalidate({ tags: ['red'] }), NO_VALUE],
  };
  test.each(Object.keys(interruptions))('58: %s while the creator runs wins over its result', (what) => {
    const { sync } = setUp();
    const [act, shows] = interruptions[what] as (typeof interruptions)[string];
    const creator = (): string => {
      act(sync);
      return 'created';
    };
    expect(sync.getOrCreate('a', creator, { tags: ['red'] })).toBe('created');
    expect(sync.get('a')).toBe(shows);
    sync.delete('a');
    expect(sync.getOrCreateMulti(['b', 'a'], (keys) => keys.map(creator), { tags: ['red'] })).toEqual([
      'created',
      'created',
    ]);
    expect(sync.get('a')).toBe(shows);
  });

  test('58: a synchronous delete wins over a creator of the other form', async () => {
    const { region, sync } = setUp();
    const gate = new Gate<string>();
    const call = region.getOrCreate('a', () => gate.promise);
    await settle();
    expect(sync.delete('a')).toBe(false);
    gate.open('created');
    await call;
    expect(sync.get('a')).toBe(NO_VALUE);
  });
});

test.each<[string, (sync: ReturnType<typeof setUp>['sync'], creator: () => string) => unknown]>([
  ['getOrCreate', (sync, creator) => sync.getOrCreate('a', creator, { background: true })],
  ['getOrCreateMulti', (sync, creator) => sync.getOrCreateMulti(['a'], () => [creator()], { background: true })[0]],
])('28: who waits for the new value gets no stale one from a %s behind', async (_form, create) => {
  const { clock, backend, region, sync } = setUp({ expirationTime: 1000 });
  const elsewhere = regionOn(backend, clock, { expirationTime: 1000 });
  makeStale({ clock, sync });
  const gate = new Gate<string>();
  const creating = elsewhere.getOrCreate('a', () => gate.promise);
  await settle();
  const unneeded = jest.fn(() => 'unneeded');
  expect(create(sync, unneeded)).toBe('old');
  const waiting = region.getOrCreate('a', unneeded, { stale: 'wait' });
  await settle();
  gate.open('new');
  expect(await creating).toBe('new');
  expect(await waiting).toBe('new');
  expect(unneeded).not.toHaveBeenCalled();
});
