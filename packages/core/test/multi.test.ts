/** getOrCreateMulti: what the creator is asked, what it may answer, and what callers get. */

import { describe, expect, jest, test } from '@jest/globals';
import { type MultiAnswer, type MultiCreatorContext, NO_VALUE } from '@stockpile/core';
import { Counter, KINDS, reported, setUp, twoProcesses } from './helpers/setups.js';
import { failureOf, Gate, settle } from './helpers/time.js';

/** A creator that answers `new <key>`, and remembers what it was asked. */
function naming() {
  return jest.fn((keys: readonly string[]): MultiAnswer<unknown> => keys.map((key) => `new ${key}`));
}

/** The keys of each call. */
function asked(creator: { mock: { calls: readonly (readonly unknown[])[] } }): unknown[] {
  return creator.mock.calls.map(([keys]) => keys);
}

describe.each(KINDS)('over $kind', (kind) => {
  test('48: values come in request order, duplicates included', async () => {
    const { region } = setUp(kind);
    await region.set('b', 'old b');
    const values = await region.getOrCreateMulti(['c', 'b', 'a', 'c', 'b'], naming());
    expect(values).toEqual(['new c', 'old b', 'new a', 'new c', 'old b']);
    expect(await region.getMulti(['a', 'b', 'c'])).toEqual(['new a', 'old b', 'new c']);
  });

  test('48: no keys make no creator call and no call of the backend', async () => {
    const counter = new Counter();
    const { region } = setUp(kind, { wrap: [counter] });
    const creator = naming();
    expect(await region.getOrCreateMulti([], creator)).toEqual([]);
    expect(creator).not.toHaveBeenCalled();
    expect(counter.counts).toMatchObject({ getMulti: 0, setMulti: 0, getMutex: 0 });
  });

  test('48: any iterable of keys is read once', async () => {
    const { region } = setUp(kind);
    function* keys(): Generator<string> {
      yield 'a';
      yield 'b';
    }
    expect(await region.getOrCreateMulti(keys(), naming())).toEqual(['new a', 'new b']);
    expect(await region.getOrCreateMulti(new Set(['b']), naming())).toEqual(['new b']);
  });

  test('49: the creator gets the missing keys, each once, in request order, and the stale values', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000 });
    await region.set('stale', 'old');
    clock.advance(1000);
    await region.set('fresh', 'old');
    const creator = jest.fn((keys: readonly string[], _context: MultiCreatorContext) => keys);
    await region.getOrCreateMulti(['z', 'fresh', 'stale', 'a', 'z', 'm'], creator);
    const keys = ['z', 'stale', 'a', 'm'];
    expect(asked(creator)).toEqual([keys]);
    expect(creator.mock.calls[0]?.[1]).toMatchObject({ keys, stale: new Map([['stale', 'old']]) });
  });

  test('49: one multi-get and one multi-set when nobody interferes', async () => {
    const counter = new Counter();
    const { region } = setUp(kind, { wrap: [counter] });
    await region.getOrCreateMulti(['a', 'b', 'c'], naming());
    const reads = region.supports('locks') ? 2 : 1; // under locks of other processes it reads again
    expect(counter.counts).toMatchObject({ get: 0, getMulti: reads, set: 0, setMulti: 1, getMutex: 3 });
    await region.getOrCreateMulti(['a', 'b', 'c'], naming());
    expect(counter.counts).toMatchObject({ get: 0, getMulti: reads + 1, set: 0, setMulti: 1, getMutex: 3 });
  });

  test('49: the values have one expiration time and the tags of the call, or what the creator says', async () => {
    const { region } = setUp(kind, { expirationTime: '1h' });
    await region.getOrCreateMulti(['a'], naming(), { expirationTime: '1m', tags: ['red'] });
    expect(await region.getEntry('a')).toMatchObject({ expirationTime: 60_000, tags: ['red'] });
    await region.getOrCreateMulti(['b', 'c'], (keys, { setExpirationTime, tags }) => {
      setExpirationTime('2m');
      tags('blue');
      return keys;
    });
    expect(await region.getEntry('b')).toMatchObject({ expirationTime: 120_000, tags: ['blue'] });
    expect(await region.getEntry('c')).toMatchObject({ expirationTime: 120_000, tags: ['blue'] });
  });

  test('49: doNotCache returns the values without storing any', async () => {
    const { region } = setUp(kind);
    const creator = naming().mockImplementation((keys) => keys);
    const values = await region.getOrCreateMulti(['a', 'b'], (keys, { doNotCache }) => {
      doNotCache();
      return creator(keys);
    });
    expect(values).toEqual(['a', 'b']);
    expect(await region.getMulti(['a', 'b'])).toEqual([NO_VALUE, NO_VALUE]);
  });

  const answers: Record<string, MultiAnswer<unknown>> = {
    'a Map': new Map<string, unknown>([
      ['b', undefined],
      ['surplus', 1],
      ['a', 'A'],
    ]),
    'an object': { surplus: 1, b: undefined, a: 'A' },
    'an array': ['A', undefined],
  };
  test.each(Object.keys(answers))('51: %s is an answer; surplus keys are ignored', async (form) => {
    const { region } = setUp(kind);
    expect(await region.getOrCreateMulti(['a', 'b'], () => answers[form] as MultiAnswer<unknown>)).toEqual([
      'A',
      undefined,
    ]);
    expect(await region.getMulti(['a', 'b', 'surplus'])).toEqual(['A', undefined, NO_VALUE]);
  });

  const refused: Record<string, { answer: unknown; keys: string[] }> = {
    'too few values': { answer: ['A', 'B'], keys: ['c'] },
    'too many values': { answer: ['A', 'B', 'C', 'D'], keys: ['a', 'b', 'c'] },
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    'a hole': { answer: ['A', , 'C'], keys: ['b'] },
    NO_VALUE: { answer: [NO_VALUE, 'B', NO_VALUE], keys: ['a', 'c'] },
    'a Map without a key': { answer: new Map([['a', 1]]), keys: ['b', 'c'] },
    'an object without a key': { answer: { a: 1, c: 3 }, keys: ['b'] },
    'an object that only inherits a key': { answer: Object.create({ a: 1, b: 2, c: 3 }), keys: ['a', 'b', 'c'] },
    undefined: { answer: undefined, keys: ['a', 'b', 'c'] },
    'a text': { answer: 'abc', keys: ['a', 'b', 'c'] },
  };
  test.each(Object.keys(refused))(
    '51: %s is refused with the keys; nothing is stored, all mutexes are free',
    async (what) => {
      const { answer, keys } = refused[what] as (typeof refused)[string];
      const { region } = setUp(kind);
      const failure = await failureOf(region.getOrCreateMulti(['a', 'b', 'c'], () => answer as MultiAnswer<unknown>));
      expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_VALIDATION', keys });
      expect(await region.getMulti(['a', 'b', 'c'])).toEqual([NO_VALUE, NO_VALUE, NO_VALUE]);
      for (const key of ['a', 'b', 'c']) expect(await region.keyIsLocked(key)).toBe(false);
    },
  );

  test('52: shouldCache is asked per value with its key, and only of created ones', async () => {
    const { region } = setUp(kind);
    await region.set('old', 'old');
    const shouldCache = jest.fn((_value: unknown, key: string) => key !== 'b');
    await region.getOrCreateMulti(['a', 'old', 'b', 'c'], naming(), { shouldCache });
    expect(shouldCache.mock.calls).toEqual([
      ['new a', 'a'],
      ['new b', 'b'],
      ['new c', 'c'],
    ]);
    expect(await region.getMulti(['a', 'b', 'c'])).toEqual(['new a', NO_VALUE, 'new c']);
  });

  test('52: if shouldCache refuses all, no multi-set is made', async () => {
    const counter = new Counter();
    const { region } = setUp(kind, { wrap: [counter] });
    expect(await region.getOrCreateMulti(['a', 'b'], naming(), { shouldCache: () => false })).toEqual([
      'new a',
      'new b',
    ]);
    expect(counter.counts).toMatchObject({ set: 0, setMulti: 0 });
  });

  test.each(['expired', 'hard-invalidated', 'softly invalidated'])('53: %s keys regenerate once', async (state) => {
    const { clock, region } = setUp(kind, { expirationTime: 1000, grace: '1h' });
    await region.setMulti({ a: 'old a', b: 'old b' });
    const creator = naming();
    for (let round = 1; round <= 2; round++) {
      if (state === 'expired') clock.advance(1000);
      else await region.invalidate({ hard: state === 'hard-invalidated' });
      for (let call = 0; call < 3; call++) {
        expect(await region.getOrCreateMulti(['a', 'b'], creator)).toEqual(['new a', 'new b']);
      }
      expect(creator).toHaveBeenCalledTimes(round);
    }
  });

  test('53: stale keys are served at once while another caller creates them', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000 });
    await region.setMulti({ a: 'old a', b: 'old b' });
    clock.advance(1000);
    const gate = new Gate<string[]>();
    const first = region.getOrCreateMulti(['a', 'b'], () => gate.promise);
    await settle();
    const creator = naming();
    expect(await region.getOrCreateMulti(['b', 'a'], creator)).toEqual(['old b', 'old a']);
    expect(await region.getOrCreate('a', () => 'unneeded')).toBe('old a');
    expect(creator).not.toHaveBeenCalled();
    gate.open(['new a', 'new b']);
    expect(await first).toEqual(['new a', 'new b']);
  });

  test('53: stale keys are created behind with background, absent ones in front', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000 });
    await region.setMulti({ a: 'old a', b: 'old b' });
    clock.advance(1000);
    const works: Promise<void>[] = [];
    const background = (work: Promise<void>): void => void works.push(work);
    const gate = new Gate();
    const creator = jest.fn(async (keys: readonly string[]) => {
      if (keys.includes('a')) await gate.promise;
      return keys.map((key) => `new ${key}`);
    });
    const values = await region.getOrCreateMulti(['a', 'c', 'b'], creator, { background });
    expect(values).toEqual(['old a', 'new c', 'old b']);
    expect(works).toHaveLength(1);
    gate.open();
    await works[0];
    expect(asked(creator)).toEqual([['a', 'b'], ['c']]);
    expect(await region.getMulti(['a', 'b', 'c'])).toEqual(['new a', 'new b', 'new c']);
  });

  test('53: a failing background creator is an event and a count, once, and frees the mutexes', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000, serveStaleOnError: true });
    await region.setMulti({ a: 'old a', b: 'old b' });
    clock.advance(1000);
    const works: Promise<void>[] = [];
    const background = (work: Promise<void>): void => void works.push(work);
    const error = new Error('no database');
    const messages = await reported(async () => {
      const call = region.getOrCreateMulti(['a', 'b'], () => Promise.reject(error), { background });
      expect(await call).toEqual(['old a', 'old b']);
      await works[0];
    });
    expect(messages.map((message) => [message.operation, message.error])).toEqual([['background', error]]);
    expect(region.stats()).toMatchObject({ errors: 1, creationErrors: 1, staleHits: 2 });
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test('53: flights are shared with the single form, both ways', async () => {
    const { region } = setUp(kind);
    const gates = [new Gate<string>(), new Gate<string[]>()] as const;
    const single = region.getOrCreate('a', () => gates[0].promise);
    await settle();
    const many = jest.fn((_keys: readonly string[]) => gates[1].promise);
    const multi = region.getOrCreateMulti(['a', 'b'], many);
    await settle();
    const joined = region.getOrCreate('b', () => 'unneeded');
    await settle();
    expect(asked(many)).toEqual([['b']]);
    gates[1].open(['B']);
    expect(await joined).toBe('B');
    gates[0].open('A');
    expect(await multi).toEqual(['A', 'B']);
    expect(await single).toBe('A');
  });

  test('53: the error of a shared creation reaches every caller of one of its keys', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<string[]>();
    const error = new Error('no database');
    const multi = failureOf(region.getOrCreateMulti(['a', 'b'], () => gate.promise));
    await settle();
    const others = [
      failureOf(region.getOrCreate('a', () => 'unneeded')),
      failureOf(region.getOrCreateMulti(['b'], naming())),
    ];
    await settle();
    gate.fail(error);
    expect(await multi).toBe(error);
    expect(await Promise.all(others)).toEqual([error, error]);
    expect(await region.getOrCreateMulti(['a', 'b'], naming())).toEqual(['new a', 'new b']);
  });

  test('49: hits, stale hits and misses add up to the values asked for', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000 });
    await region.setMulti({ a: 1, b: 2 });
    clock.advance(1000);
    await region.set('c', 3);
    await region.getOrCreateMulti(['a', 'b', 'c', 'd'], naming());
    await region.getOrCreateMulti(['a', 'b', 'c', 'd'], naming());
    const { hits, staleHits, misses } = region.stats();
    expect({ hits, staleHits, misses }).toEqual({ hits: 5, staleHits: 0, misses: 3 });
  });
});

test('53: a stale key that another process creates is counted once, as a stale hit', async () => {
  const { clock, a, b } = twoProcesses({ expirationTime: 1000 });
  await a.region.set('a', 'old');
  clock.advance(1000);
  const gate = new Gate<string>();
  const first = a.region.getOrCreate('a', () => gate.promise);
  await settle();
  expect(await b.region.getOrCreateMulti(['a'], naming())).toEqual(['old']);
  expect(await b.region.getOrCreateMulti(['a'], naming(), { background: true })).toEqual(['old']);
  await settle();
  const { hits, staleHits, misses } = b.region.stats();
  expect({ hits, staleHits, misses }).toEqual({ hits: 0, staleHits: 2, misses: 0 });
  gate.open('new');
  await first;
});
