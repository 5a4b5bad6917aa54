/** Where time comes from, and how old the time may be by which a hit is judged. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { createRegion, NO_VALUE, type Region, systemClock } from '@stockpile/core';
import { FACES, TestClock } from './fixtures.js';

const EXPIRATION_MS = 60;

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

const onSystemClock = (): Region => createRegion().configure('memory', { expirationTime: EXPIRATION_MS, grace: '1h' });

/** Lets real time pass without a turn of the event loop. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

describe('the system clock', () => {
  test('is epoch time', () => {
    const before = Date.now();
    const now = systemClock.now();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
  });

  test('in a blocked event loop at most 16 hits are judged by one reading', () => {
    const { sync } = onSystemClock();
    sync.set('k', 1);
    expect(sync.get('k')).toBe(1); // takes a reading
    block(EXPIRATION_MS + 5);
    const reads = Array.from({ length: 16 }, () => sync.get('k'));
    expect(reads.at(-1)).toBe(NO_VALUE);
    // that they share one is what makes a hit cheap: the other 15 see the old time
    expect(reads.filter((value) => value === 1)).toHaveLength(15);
    expect(sync.get('k')).toBe(NO_VALUE);
  });

  test('in a running event loop a reading lives no longer than 1 ms', async () => {
    const region = onSystemClock();
    for (let i = 0; i < 3; i++) {
      region.sync.set('k', 1);
      expect(region.sync.get('k')).toBe(1);
      await sleep(EXPIRATION_MS + 5);
      expect(region.sync.get('k')).toBe(NO_VALUE);
    }
  });

  test('what is written is dated by the time of its writing, not by that of an earlier hit', () => {
    const { sync } = onSystemClock();
    sync.set('k', 1);
    sync.get('k');
    block(EXPIRATION_MS + 5);
    const before = Date.now();
    sync.set('k', 2);
    const entry = sync.getEntry('k');
    expect(entry).toMatchObject({ value: 2, stale: false });
    expect(entry !== NO_VALUE && entry.createdAt).toBeGreaterThanOrEqual(before);
  });

  test('getEntry tells the age by the time of now', () => {
    const { sync } = onSystemClock();
    sync.set('k', 1);
    sync.get('k');
    block(EXPIRATION_MS + 5);
    expect(sync.getEntry('k')).toMatchObject({ stale: true });
  });
});

test('fake timers that leave Date alone do not stop the clock afterwards', async () => {
  const region = onSystemClock();
  jest.useFakeTimers({ doNotFake: ['Date', 'performance'] });
  region.sync.set('k', 1);
  for (let i = 0; i < 9; i++) region.sync.get('k'); // begins a reading under fake timers
  jest.useRealTimers();
  region.sync.set('k', 1);
  expect(region.sync.get('k')).toBe(1);
  await sleep(EXPIRATION_MS + 5);
  expect(region.sync.get('k')).toBe(NO_VALUE);
});

describe.each(FACES)('%s', (_face, of) => {
  test('a Date replaced by fake timers is respected, at every read', async () => {
    const region = onSystemClock();
    await of(region).set('real', 1);
    await of(region).get('real'); // a reading of the real clock is at hand
    jest.useFakeTimers({ now: Date.now() + 1000 });
    expect(await of(region).get('real')).toBe(NO_VALUE);
    await of(region).set('k', 1);
    jest.setSystemTime(Date.now() + EXPIRATION_MS - 1);
    expect(await of(region).get('k')).toBe(1);
    jest.setSystemTime(Date.now() + 1);
    expect(await of(region).get('k')).toBe(NO_VALUE);
    expect(await of(region).get('k', { expirationTime: '1m' })).toBe(1);
  });

  test('a Date.now replaced by a spy is respected, at every read', async () => {
    const region = onSystemClock();
    await of(region).set('k', 1);
    const now = Date.now();
    const spy = jest.spyOn(Date, 'now').mockReturnValue(now + EXPIRATION_MS / 2);
    expect(await of(region).get('k')).toBe(1);
    spy.mockReturnValue(now + EXPIRATION_MS);
    expect(await of(region).get('k')).toBe(NO_VALUE);
  });

  test('a clock that is handed in is read for every hit, and only that one', async () => {
    let time = 5;
    const now = jest.fn(() => time);
    const region = createRegion({ clock: { now } }).configure('memory-pickle', { expirationTime: 10 });
    await of(region).set('k', 1);
    const dateNow = jest.spyOn(Date, 'now');
    for (let i = 0; i < 3; i++) {
      now.mockClear();
      expect(await of(region).get('k')).toBe(1);
      expect(now).toHaveBeenCalledTimes(1);
    }
    time = 15;
    expect(await of(region).get('k')).toBe(NO_VALUE);
    expect(dateNow).not.toHaveBeenCalled();
  });

  test('Date itself will do for a clock', async () => {
    const region = createRegion({ clock: Date }).configure('memory', { expirationTime: '1m' });
    await of(region).set('k', 1);
    expect(await of(region).get('k')).toBe(1);
  });
});

describe.each([1e9, -1e9])('a backend instance whose clock is %p ms off', (off) => {
  function setUp() {
    const [clock, own] = [new TestClock(), new TestClock()];
    clock.time += off;
    const region = createRegion({ clock }).configure(new MemoryBackend({ clock: own }), { expirationTime: '1m' });
    return { own, region };
  }

  test('91: keeps and frees entries by its own clock', async () => {
    const { own, region } = setUp();
    await region.set('a', 1);
    const read = async () => [
      await region.get('a', { ignoreExpiration: true }),
      ...(await region.getMulti(['a'], { ignoreExpiration: true })),
      region.sync.get('a', { ignoreExpiration: true }),
    ];
    expect(await region.get('a')).toBe(1);
    expect(region.sync.get('a')).toBe(1);
    expect(await read()).toEqual([1, 1, 1]);
    own.time += 120_000; // expirationTime + grace
    expect(await read()).toEqual([NO_VALUE, NO_VALUE, NO_VALUE]);
  });
});
