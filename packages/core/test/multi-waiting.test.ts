/** getOrCreateMulti among others who want the same keys, and that it gives back what it has taken. */

import { describe, expect, jest, test } from '@jest/globals';
import { NO_VALUE, type Region } from '@stockpile/core';
import { Storage } from './helpers/async-backend.js';
import { type Fault, FaultyBackend } from './helpers/faulty-backend.js';
import { KINDS, regionOn, setUp, twoProcesses } from './helpers/setups.js';
import { failureOf, Gate, isPending, settle, TestClock } from './helpers/time.js';

function naming(prefix = 'new') {
  return jest.fn((keys: readonly string[]) => keys.map((key) => `${prefix} ${key}`));
}

function asked(creator: { mock: { calls: readonly (readonly unknown[])[] } }): unknown[] {
  return creator.mock.calls.map(([keys]) => keys);
}

describe('50: among processes', () => {
  test('50: what another process creates is waited for only after our own is stored and freed, then read again', async () => {
    const { a, b } = twoProcesses();
    const gate = new Gate<string>();
    const other = b.region.getOrCreate('b', () => gate.promise);
    await settle();
    const creator = naming();
    const call = a.region.getOrCreateMulti(['a', 'b', 'c'], creator);
    await settle();
    expect(asked(creator)).toEqual([['a', 'c']]);
    expect(await b.region.getMulti(['a', 'c'])).toEqual(['new a', 'new c']);
    expect(await b.region.keyIsLocked('a')).toBe(false);
    expect(await isPending(call)).toBe(true);
    gate.open('from b');
    expect(await call).toEqual(['new a', 'from b', 'new c']);
    expect(await other).toBe('from b');
    expect(creator).toHaveBeenCalledTimes(1);
    expect(await b.region.keyIsLocked('b')).toBe(false);
  });

  test('50: three processes that miss the same keys run one creator', async () => {
    const { clock, storage, a, b } = twoProcesses();
    const c = regionOn(Object.assign(twoProcesses().a.backend, { storage }), clock);
    const gate = new Gate();
    const creator = jest.fn(async (keys: readonly string[]) => {
      await gate.promise;
      return keys.map((key) => key.toUpperCase());
    });
    const calls = [
      a.region.getOrCreateMulti(['a', 'b', 'c'], creator),
      b.region.getOrCreateMulti(['c', 'b', 'a'], creator),
      c.getOrCreateMulti(['b', 'a', 'c'], creator),
    ];
    await settle();
    gate.open();
    expect(await Promise.all(calls)).toEqual([
      ['A', 'B', 'C'],
      ['C', 'B', 'A'],
      ['B', 'A', 'C'],
    ]);
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('50: calls that overlap crosswise do not deadlock', async () => {
    const { a, b } = twoProcesses();
    const gates = { a: new Gate(), b: new Gate() };
    const first = a.region.getOrCreateMulti(['a', 'b'], async (keys) => {
      await gates.a.promise;
      return keys;
    });
    await settle();
    await b.region.set('a', 'set'); // frees a's lock of this key: now both processes have one
    await b.region.delete('a');
    const second = b.region.getOrCreateMulti(['b', 'a'], async (keys) => {
      await gates.b.promise;
      return keys;
    });
    await settle();
    gates.b.open();
    await settle();
    gates.a.open();
    expect(await Promise.all([first, second])).toEqual([
      ['a', 'b'],
      ['b', 'a'],
    ]);
  });

  test('50: a key whose creator failed elsewhere is created here', async () => {
    const { a, b } = twoProcesses();
    const gate = new Gate<string>();
    const other = failureOf(b.region.getOrCreate('b', () => gate.promise));
    await settle();
    const creator = naming();
    const call = a.region.getOrCreateMulti(['a', 'b'], creator);
    await settle();
    gate.fail(new Error('no database'));
    await other;
    expect(await call).toEqual(['new a', 'new b']);
    expect(asked(creator)).toEqual([['a'], ['b']]);
  });

  test('34: what is not to be had within lockTimeout is created and not stored', async () => {
    const { a, b } = twoProcesses();
    const gate = new Gate<string>();
    const other = b.region.getOrCreate('b', () => gate.promise);
    await settle();
    const creator = naming();
    expect(await a.region.getOrCreateMulti(['a', 'b'], creator, { lockTimeout: 20 })).toEqual(['new a', 'new b']);
    expect(asked(creator)).toEqual([['a'], ['b']]);
    expect(await a.region.getMulti(['a', 'b'])).toEqual(['new a', NO_VALUE]);
    gate.open('from b');
    await other;
    expect(await a.region.get('b')).toBe('from b');
  });

  test("34: with onLockTimeout: 'throw' it is a LockTimeoutError, and our own keys are stored and free", async () => {
    const { a, b } = twoProcesses();
    const gate = new Gate<string>();
    const other = b.region.getOrCreate('b', () => gate.promise);
    await settle();
    const options = { lockTimeout: 20, onLockTimeout: 'throw' } as const;
    const failure = await failureOf(a.region.getOrCreateMulti(['a', 'b', 'c'], naming(), options));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_LOCK_TIMEOUT', key: 'b' });
    expect(await a.region.getMulti(['a', 'c'])).toEqual(['new a', 'new c']);
    for (const key of ['a', 'c']) expect(await b.region.keyIsLocked(key)).toBe(false);
    gate.open('from b');
    expect(await other).toBe('from b');
  });

  test('83: the lock server that fails while another process is waited for is no reason to fail', async () => {
    const clock = new TestClock();
    const storage = new Storage(clock);
    const other = regionOn(new FaultyBackend(storage, { locks: true }), clock);
    const backend = new FaultyBackend(storage, { locks: true });
    const region = regionOn(backend, clock);
    const gate = new Gate<string>();
    const theirs = other.getOrCreate('b', () => gate.promise);
    await settle();
    const call = region.getOrCreateMulti(['a', 'b'], async (keys) => {
      if (keys.includes('a')) backend.fail('refuse', ['lock']);
      return keys;
    });
    expect(await call).toEqual(['a', 'b']);
    gate.open('from the other');
    await theirs;
  });

  test('35: of a multi creation, a key whose lease was lost is returned and not stored', async () => {
    const { storage, a } = twoProcesses();
    const gate = new Gate<string[]>();
    const call = a.region.getOrCreateMulti(['a', 'b'], () => gate.promise);
    await settle();
    storage.loseLease('r:a');
    gate.open(['A', 'B']);
    expect(await call).toEqual(['A', 'B']);
    expect(await a.region.getMulti(['a', 'b'])).toEqual([NO_VALUE, 'B']);
    expect(a.region.stats().superseded).toBe(1);
  });
});

describe.each(KINDS)('over $kind', (kind) => {
  const keys = ['a', 'b', 'c'];

  async function isFree(region: Region<unknown>): Promise<void> {
    for (const key of keys) expect(await region.keyIsLocked(key)).toBe(false);
    expect(await region.getOrCreateMulti(keys, naming('free'))).toEqual(['free a', 'free b', 'free c']);
  }

  const endings: Record<string, (region: Region<unknown>) => Promise<unknown>> = {
    'the creator rejects': (region) => region.getOrCreateMulti(keys, () => Promise.reject(new Error('no'))),
    'the creator throws': (region) =>
      region.getOrCreateMulti(keys, () => {
        throw new Error('no');
      }),
    'the creator answers too few': (region) => region.getOrCreateMulti(keys, () => [1]),
    'shouldCache throws': (region) =>
      region.getOrCreateMulti(keys, naming(), {
        shouldCache: (_value, key) => {
          if (key === 'b') throw new Error('unsure');
          return false;
        },
      }),
    'the creator takes too long': (region) =>
      region.getOrCreateMulti(keys, () => new Promise(() => {}), { creatorTimeout: 20 }),
    'a tag is refused': (region) => region.getOrCreateMulti(keys, (_, { tags }) => [tags(1 as never)]),
  };
  test.each(Object.keys(endings))('51: the mutexes of all keys are free when %s', async (what) => {
    const { region } = setUp(kind);
    expect(await failureOf((endings[what] as (typeof endings)[string])(region))).toBeInstanceOf(Error);
    await isFree(region);
  });

  test('32: 200 concurrent multi calls of the same absent keys are one creation', async () => {
    const { region } = setUp(kind);
    const gate = new Gate();
    const creator = jest.fn(async (missing: readonly string[]) => {
      await gate.promise;
      return missing.map((key) => key.toUpperCase());
    });
    const orders = [keys, [...keys].reverse(), ['b', 'a', 'c']];
    const calls = Array.from({ length: 200 }, (_, i) => region.getOrCreateMulti(orders[i % 3] as string[], creator));
    await settle();
    gate.open();
    for (const [i, values] of (await Promise.all(calls)).entries()) {
      expect(values).toEqual(orders[i % 3]?.map((key) => key.toUpperCase()));
    }
    expect(creator).toHaveBeenCalledTimes(1);
  });
});

describe('over a faulty backend', () => {
  function faulty(options = {}) {
    const clock = new TestClock();
    const backend = new FaultyBackend(new Storage(clock), { locks: true });
    return { backend, region: regionOn(backend, clock, { timeout: 30, ...options }) };
  }

  const faults: Record<string, Fault> = {
    'refuses connections': 'refuse',
    'never answers': 'silent',
    'throws errors of its own': new Error('foreign'),
  };
  test.each(Object.keys(faults))(
    '51: a store that %s leaves the values to the caller and the mutexes free',
    async (what) => {
      const fault = faults[what] as Fault;
      const { backend, region } = faulty();
      backend.fail(fault, ['setMulti']);
      expect(await region.getOrCreateMulti(['a', 'b'], naming())).toEqual(['new a', 'new b']);
      expect(region.stats().errors).toBe(1);
      expect(await region.keyIsLocked('a')).toBe(false);
      expect(await region.keyIsLocked('b')).toBe(false);
    },
  );

  test('51: a store that fails rejects with failOpen: false, and the mutexes are free', async () => {
    const { backend, region } = faulty({ failOpen: false });
    backend.fail('refuse', ['setMulti']);
    expect(await failureOf(region.getOrCreateMulti(['a', 'b'], naming()))).toMatchObject({
      code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE',
    });
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test.each([true, false])(
    '51: a lock that is granted after another one has failed is given back (failOpen: %s)',
    async (failOpen) => {
      const { backend, region } = faulty({ failOpen });
      backend.fail('refuse', ['lock:r:a']);
      const slow = backend.hold('lock', 'r:b');
      const call = region.getOrCreateMulti(['a', 'b'], naming());
      if (failOpen) expect(await call).toEqual(['new a', 'new b']);
      else expect(await failureOf(call)).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
      slow.release();
      await settle();
      expect(await region.keyIsLocked('b')).toBe(false);
    },
  );

  test('51: the second read that fails leaves the creation to the caller', async () => {
    const { backend, region } = faulty();
    const first = backend.hold('getMulti');
    const call = region.getOrCreateMulti(['a', 'b'], naming());
    await first.arrived;
    backend.fail('refuse', ['getMulti']);
    first.release();
    expect(await call).toEqual(['new a', 'new b']);
    expect(await region.keyIsLocked('a')).toBe(false);
  });
});
