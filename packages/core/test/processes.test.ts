/** Two processes on one storage and one lock table: waiting, lock timeouts, lost leases. */

import { describe, expect, jest, test } from '@jest/globals';
import { NO_VALUE, type Region } from '@stockpile/core';
import { KINDS, setUp, twoProcesses } from './helpers/setups.js';
import { failureOf, Gate, isPending, settle } from './helpers/time.js';

describe('33: an absent key that another process creates', () => {
  test('33: is waited for, read again and used; the creator is not run', async () => {
    const { a, b } = twoProcesses();
    const gate = new Gate<string>();
    const first = a.region.getOrCreate('a', () => gate.promise);
    await settle();
    const creator = jest.fn(() => 'unneeded');
    const waiters = Array.from({ length: 10 }, () => b.region.getOrCreate('a', creator));
    expect(await isPending(Promise.race(waiters))).toBe(true);
    expect(await b.region.keyIsLocked('a')).toBe(true);
    gate.open('from a');
    expect(await first).toBe('from a');
    expect(new Set(await Promise.all(waiters))).toEqual(new Set(['from a']));
    expect(creator).not.toHaveBeenCalled();
    expect(await a.region.keyIsLocked('a')).toBe(false);
  });

  test('33: is created here when the other one has failed, also under the lock', async () => {
    const { a, b } = twoProcesses();
    const gates = [new Gate<string>(), new Gate<string>()] as const;
    const first = failureOf(a.region.getOrCreate('a', () => gates[0].promise));
    await settle();
    const second = b.region.getOrCreate('a', () => gates[1].promise);
    gates[0].fail(new Error('no database'));
    expect(await first).toEqual(new Error('no database'));
    await settle();
    expect(await a.region.keyIsLocked('a')).toBe(true);
    gates[1].open('from b');
    expect(await second).toBe('from b');
    expect(await a.region.get('a')).toBe('from b');
  });

  test('33: that was created between the read and the lock is used', async () => {
    const { a, b } = twoProcesses();
    const read = b.backend.hold('get');
    const creator = jest.fn(() => 'unneeded');
    const late = b.region.getOrCreate('a', creator);
    await read.arrived; // it has read that there is nothing
    await a.region.getOrCreate('a', () => 'from a');
    read.release();
    expect(await late).toBe('from a');
    expect(creator).not.toHaveBeenCalled();
  });

  test('33: that arrived hard-invalidated is created anew', async () => {
    const { a, b } = twoProcesses();
    await a.region.set('a', 'old');
    await b.region.invalidate();
    expect(await b.region.getOrCreate('a', () => 'new')).toBe('new');
  });
});

describe('34: a mutex that cannot be had within lockTimeout', () => {
  /** Process a creates key `a` until the gate is opened. */
  async function occupied() {
    const processes = twoProcesses();
    const gate = new Gate<string>();
    const first = processes.a.region.getOrCreate('a', () => gate.promise);
    await settle();
    return { ...processes, gate, first };
  }

  test('34: the value is created and returned, not stored', async () => {
    const { a, b, gate, first } = await occupied();
    const creator = jest.fn(() => 'from b');
    expect(await b.region.getOrCreate('a', creator, { lockTimeout: 20 })).toBe('from b');
    expect(await b.region.get('a')).toBe(NO_VALUE);
    expect(await a.region.keyIsLocked('a')).toBe(true);
    gate.open('from a');
    expect(await first).toBe('from a');
    expect(await b.region.get('a')).toBe('from a');
  });

  test('34: what arrived meanwhile is used all the same', async () => {
    const { a, b, gate, first } = await occupied();
    const lock = b.backend.hold('lock');
    const creator = jest.fn(() => 'unneeded');
    const call = b.region.getOrCreate('a', creator, { lockTimeout: 20 });
    await lock.arrived; // the lock was not to be had
    await a.backend.storage.memory.set(
      'r:a',
      { value: 'arrived', metadata: { createdAt: a.clock.now() } },
      { ttl: 1e6 },
    );
    lock.release();
    expect(await call).toBe('arrived');
    expect(creator).not.toHaveBeenCalled();
    gate.open('from a');
    await first;
  });

  test.each(['getOrCreate', 'refresh'] as const)(
    "34: with onLockTimeout: 'throw', %s is rejected with a LockTimeoutError",
    async (method) => {
      const { b, gate, first } = await occupied();
      const creator = jest.fn(() => 'unneeded');
      const call = b.region[method]('a', creator, { lockTimeout: 20, onLockTimeout: 'throw' });
      expect(await failureOf(call)).toMatchObject({ code: 'ERR_STOCKPILE_LOCK_TIMEOUT', key: 'a' });
      expect(creator).not.toHaveBeenCalled();
      gate.open('from a');
      expect(await first).toBe('from a');
    },
  );

  test('34: callers of one process that wait together create once', async () => {
    const { b, gate, first } = await occupied();
    const creator = jest.fn(() => 'from b');
    const calls = Array.from({ length: 5 }, () => b.region.getOrCreate('a', creator, { lockTimeout: 20 }));
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['from b']));
    expect(creator).toHaveBeenCalledTimes(1);
    gate.open('from a');
    await first;
  });

  test('34: with lockTimeout Infinity it is waited for as long as it takes', async () => {
    const { b, gate, first } = await occupied();
    const call = b.region.getOrCreate('a', () => 'unneeded', { lockTimeout: Infinity });
    expect(await isPending(call)).toBe(true);
    gate.open('from a');
    expect(await Promise.all([first, call])).toEqual(['from a', 'from a']);
  });
});

describe('35: a lease that is lost while the creator runs', () => {
  const ways: Record<string, (region: Region<unknown>, creator: () => Promise<unknown>) => Promise<unknown>> = {
    getOrCreate: (region, creator) => region.getOrCreate('a', creator),
    refresh: (region, creator) => region.refresh('a', creator),
    getOrCreateMulti: async (region, creator) =>
      (await region.getOrCreateMulti(['a'], async () => [await creator()]))[0],
  };

  test.each(Object.keys(ways))('35: %s returns the value, stores nothing, and raises nothing', async (way) => {
    const { storage, a, b } = twoProcesses();
    const gate = new Gate<string>();
    const call = (ways[way] as (typeof ways)[string])(a.region, () => gate.promise);
    await settle();
    storage.loseLease('r:a');
    expect(await b.region.getOrCreate('a', () => 'from b')).toBe('from b');
    gate.open('from a');
    expect(await call).toBe('from a');
    expect(await a.region.get('a')).toBe('from b');
    expect(a.region.stats()).toMatchObject({ superseded: 1, errors: 0 });
  });

  test("35: releasing does not free the next holder's lock", async () => {
    const { storage, a, b } = twoProcesses();
    const gates = [new Gate<string>(), new Gate<string>()] as const;
    const first = a.region.getOrCreate('a', () => gates[0].promise);
    await settle();
    storage.loseLease('r:a');
    const second = b.region.getOrCreate('a', () => gates[1].promise);
    await settle();
    gates[0].open('from a');
    await first;
    expect(await a.region.keyIsLocked('a')).toBe(true);
    gates[1].open('from b');
    await second;
    expect(await a.region.get('a')).toBe('from b');
  });

  test('35: a release that throws harms nobody', async () => {
    const { a } = twoProcesses();
    const original = a.backend.getMutex.bind(a.backend);
    jest.spyOn(a.backend, 'getMutex').mockImplementation((key) => {
      const mutex = original(key);
      if (mutex) mutex.release = () => Promise.reject(new Error('not yours'));
      return mutex;
    });
    expect(await a.region.getOrCreate('a', () => 1)).toBe(1);
    expect(await a.region.get('a')).toBe(1);
    expect(a.region.stats().errors).toBe(1);
  });
});

describe.each(KINDS)('over $kind', (kind) => {
  test('34: in one process a flight that waits for the mutex has the same bound', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<string>();
    const first = region.getOrCreate('a', () => gate.promise);
    await settle();
    const call = region.refresh('a', () => 'refreshed', { lockTimeout: 20 });
    expect(await call).toBe('refreshed');
    expect(await region.get('a')).toBe(NO_VALUE);
    gate.open('created');
    expect(await first).toBe('created');
  });
});

test('46: a delete between the lock and the second read lets no two creators run at the same time', async () => {
  const { a } = twoProcesses({}, { locks: false });
  const first = a.backend.hold('get');
  const running = { now: 0, most: 0 };
  const gate = new Gate();
  const creator = async (): Promise<number> => {
    running.most = Math.max(running.most, ++running.now);
    await gate.promise;
    return running.now--;
  };
  const early = a.region.getOrCreate('a', creator);
  await first.arrived;
  await a.region.set('b', 1); // a write: the key is read again under the lock
  const second = a.backend.hold('get');
  first.release();
  await second.arrived;
  await a.region.delete('a');
  const newcomer = a.region.getOrCreate('a', creator);
  await settle();
  second.release();
  await settle();
  gate.open();
  await Promise.all([early, newcomer]);
  expect(running.most).toBe(1);
});
