/** 58: what a user writes while a created value is on its way to the backend lands after it, also where writes overtake. */

import { describe, expect, test } from '@jest/globals';
import { type CachedValue, NO_VALUE, type Region, type WriteOptions } from '@stockpile/core';
import { AsyncBackend, Storage } from './helpers/async-backend.js';
import { regionOn } from './helpers/setups.js';
import { Gate, isPending, settle, TestClock } from './helpers/time.js';

/** Carries out the write of `slow` only when the test lets it: what was sent later may land earlier. */
class Reordering extends AsyncBackend {
  slow: unknown = 'slow';
  readonly sent: Gate = new Gate();
  readonly landing: Gate = new Gate();

  override set(key: string, item: CachedValue, options: WriteOptions): Promise<boolean> {
    return this.#delayed(item, () => super.set(key, item, options));
  }

  override setMulti(...args: Parameters<AsyncBackend['setMulti']>): Promise<readonly string[]> {
    const [first] = args[0].values();
    return this.#delayed(first, () => super.setMulti(...args));
  }

  async #delayed<T>(item: CachedValue | undefined, store: () => Promise<T>): Promise<T> {
    if (item?.value !== this.slow) return store();
    this.sent.open();
    await this.landing.promise;
    return store();
  }
}

function setUp() {
  const clock = new TestClock();
  const backend = new Reordering(new Storage(clock));
  return { clock, backend, region: regionOn(backend, clock) };
}

const WAYS: Record<string, (region: Region<unknown>) => Promise<unknown>> = {
  getOrCreate: (region) => region.getOrCreate('a', () => 'slow'),
  getOrCreateMulti: async (region) => (await region.getOrCreateMulti(['a', 'b'], () => ['slow', 'B']))[0],
  refresh: (region) => region.refresh('a', () => 'slow'),
};

/** What its user may do meanwhile, and what `get` shows afterwards. */
const WRITES: Record<string, { act: (region: Region<unknown>) => Promise<unknown>; shows: unknown }> = {
  delete: { act: (region) => region.delete('a'), shows: NO_VALUE },
  deleteMulti: { act: (region) => region.deleteMulti(['x', 'a']), shows: NO_VALUE },
  set: { act: (region) => region.set('a', 'user'), shows: 'user' },
  setMulti: { act: (region) => region.setMulti({ x: 1, a: 'user' }), shows: 'user' },
  clear: { act: (region) => region.clear(), shows: NO_VALUE },
};

const CASES = Object.keys(WAYS).flatMap((way) => Object.keys(WRITES).map((what) => ({ way, what })));

describe('a store under way', () => {
  test.each(CASES)('58: $what wins over what $way is storing', async ({ way, what }) => {
    const { backend, region } = setUp();
    const { act, shows } = WRITES[what] as (typeof WRITES)[string];
    const call = (WAYS[way] as (typeof WAYS)[string])(region);
    await backend.sent.promise;
    const write = act(region);
    await settle();
    backend.landing.open();
    await write;
    expect(await call).toBe('slow');
    expect(await region.get('a')).toBe(shows);
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test('58: an increment is added to what is being stored', async () => {
    const { backend, region } = setUp();
    backend.slow = 10;
    const call = region.getOrCreate('a', () => 10);
    await backend.sent.promise;
    const sum = region.increment('a', 5);
    await settle();
    backend.landing.open();
    expect(await call).toBe(10);
    expect(await sum).toBe(15);
    expect(await region.get('a')).toBe(15);
  });

  test('58: the delete of another key does not wait for it', async () => {
    const { backend, region } = setUp();
    const call = region.getOrCreate('a', () => 'slow');
    await backend.sent.promise;
    expect(await region.delete('b')).toBe(false);
    expect(await isPending(call)).toBe(true);
    backend.landing.open();
    expect(await call).toBe('slow');
    expect(await region.get('a')).toBe('slow');
  });

  test('58: a write by another region of the process wins too', async () => {
    const { clock, backend, region } = setUp();
    const other = regionOn(backend, clock);
    const call = region.getOrCreate('a', () => 'slow');
    await backend.sent.promise;
    const write = other.set('a', 'user');
    await settle();
    backend.landing.open();
    await Promise.all([call, write]);
    expect(await region.get('a')).toBe('user');
  });
});

const SECOND_LOOKS: Record<string, (region: Region<unknown>) => Promise<unknown>> = {
  getOrCreate: (region) => region.getOrCreate('a', () => 'created'),
  getOrCreateMulti: async (region) => (await region.getOrCreateMulti(['a'], () => ['created']))[0],
};

describe('the second look under the mutex', () => {
  test.each(Object.keys(SECOND_LOOKS))('58: a set while %s looks again is used, not overwritten', async (way) => {
    const clock = new TestClock();
    const backend = new AsyncBackend(new Storage(clock), { locks: true });
    const region = regionOn(backend, clock);
    const operation = way === 'getOrCreate' ? 'get' : 'getMulti';
    const first = backend.hold(operation);
    const call = (SECOND_LOOKS[way] as (typeof SECOND_LOOKS)[string])(region);
    await first.arrived;
    const second = backend.hold(operation);
    first.release();
    await second.arrived; // it has found nothing
    await region.set('a', 'user');
    second.release();
    expect(await call).toBe('user');
    expect(await region.get('a')).toBe('user');
    expect(region.stats().creations).toBe(0);
  });
});
