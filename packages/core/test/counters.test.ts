/** 25: increment where the entry is invalidated, stale or not to be kept. */

import { describe, expect, test } from '@jest/globals';
import { NO_VALUE, sharedInvalidator } from '@stockpile/core';
import { recorded } from './fixtures.js';
import { AsyncBackend, type Operation, Storage } from './helpers/async-backend.js';
import { regionOn, twoProcesses } from './helpers/setups.js';
import { TestClock } from './helpers/time.js';

/** Carries out each operation some turns after it was asked for, as a pool of connections does. */
class Jittery extends AsyncBackend {
  #asked = 0;

  override answer<T>(operation: Operation, key: string, work: () => T | Promise<T>): Promise<T> {
    let turns = this.#asked++ % 7;
    return super.answer(operation, key, async () => {
      while (turns-- > 0) await new Promise<void>((resolve) => setImmediate(resolve));
      return work();
    });
  }
}

const ENDS: Record<string, (setup: { clock: TestClock; region: ReturnType<typeof regionOn> }) => Promise<void>> = {
  'a hard invalidation': ({ region }) => region.invalidate(),
  'a soft invalidation': ({ region }) => region.invalidate({ hard: false }),
  'its expiry, within grace': async ({ clock }) => clock.advance(1500),
};
const CASES = Object.keys(ENDS).flatMap((end) => [false, true].map((locks) => ({ end, locks })));

describe.each(CASES)('after $end (locks: $locks)', ({ end, locks }) => {
  async function setUp() {
    const clock = new TestClock();
    const backend = new Jittery(new Storage(clock), { locks });
    const region = regionOn(backend, clock, { expirationTime: 1000, grace: '1h' });
    await region.set('a', 5); // kept within grace, which a counter is not
    await ENDS[end]?.({ clock, region });
    return { clock, region };
  }

  test('25: a counter starts anew', async () => {
    const { region } = await setUp();
    expect(await region.get('a')).toBe(NO_VALUE);
    expect(await region.increment('a', 2, { initial: 40 })).toBe(42);
    expect(await region.get('a')).toBe(42);
    expect(await region.increment('a')).toBe(43);
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test('25: 100 parallel increments add exactly 100', async () => {
    const { region } = await setUp();
    const sums = await Promise.all(Array.from({ length: 100 }, () => region.increment('a')));
    expect(sums.sort((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(await region.get('a')).toBe(100);
    expect(await region.keyIsLocked('a')).toBe(false);
  });
});

test('25, 59: what another process invalidated is not counted on', async () => {
  const { a, b, clock } = twoProcesses(() => ({ regionInvalidator: sharedInvalidator() }));
  await a.region.increment('a', 5);
  await b.region.get('other');
  clock.advance(1);
  await a.region.invalidate(); // in the same ms
  expect(await b.region.increment('a')).toBe(1);
  expect(await a.region.get('a')).toBe(1);
});

test.each(['region', 'sync'] as const)('25: with expirationTime 0 nothing is stored (%s)', async (face) => {
  const clock = new TestClock();
  const { backend, calls } = recorded(clock);
  const region = regionOn(backend, clock, { expirationTime: 0 });
  const operations = face === 'region' ? region : region.sync;
  expect(await operations.increment('a')).toBe(1);
  expect(await operations.increment('a', 2, { initial: 5 })).toBe(7);
  expect(await region.get('a', { ignoreExpiration: true })).toBe(NO_VALUE);
  expect(calls.filter(({ method }) => method === 'increment')).toEqual([]);
});
