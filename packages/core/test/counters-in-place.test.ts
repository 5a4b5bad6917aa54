/** 25: counters of drivers that add to bytes, and entries of another form that are counted on. */

import { describe, expect, test } from '@jest/globals';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  type ConfigureOptions,
  createRegion,
  isCounterForm,
  jsonSerializer,
  NO_VALUE,
  type Region,
  type Serializer,
  structuredSerializer,
} from '@stockpile/core';
import fc from 'fast-check';
import { encode } from '../src/envelope.js';
import { CountingBytes, type CountingOptions } from './helpers/counting-bytes.js';
import { failureOf, TestClock } from './helpers/time.js';

const FOREVER = { ttl: Infinity };

function setUp(serializer: Serializer, driverOptions: CountingOptions = {}, options: ConfigureOptions = {}) {
  const clock = new TestClock();
  const driver = new CountingBytes(clock, driverOptions);
  const region = createRegion({ namespace: '', clock, serializer }).configure(driver, options);
  /** How often each of the counting methods was called since. */
  const counted = (): Record<string, number> => {
    const all = driver.calls.splice(0);
    const of = (method: string): number => all.filter((call) => call === method).length;
    return { increment: of('increment'), compareAndSet: of('compareAndSet'), set: of('set') };
  };
  const form = (): boolean => {
    const bytes = driver.stored.get('k');
    if (bytes === NO_VALUE) throw new Error('there is no entry');
    return isCounterForm(bytes);
  };
  return { clock, driver, region, counted, form };
}

const CASES = [structuredSerializer, jsonSerializer].flatMap((serializer) =>
  [false, true].map((later) => ({ name: serializer.name, serializer, later })),
);

describe.each(CASES)('over a driver that adds in place ($name, answers later: $later)', ({ serializer, later }) => {
  test('25: the driver alone counts what increment made', async () => {
    const { region, counted, form } = setUp(serializer, { later });
    expect(await region.increment('k', 2, { initial: 40 })).toBe(42);
    expect(await region.increment('k', -0.5)).toBe(41.5);
    expect(await region.get('k')).toBe(41.5);
    expect(await region.decrement('k', 50)).toBe(-8.5);
    expect(form()).toBe(true);
    expect(counted()).toEqual({ increment: 3, compareAndSet: 0, set: 0 });
  });

  test('25: a number that set wrote is as the serializer made it, and converted once, by the first increment', async () => {
    const { clock, driver, region, counted, form } = setUp(serializer, { later });
    await region.set('k', 5);
    const asSet = encode({ value: 5, metadata: { createdAt: clock.now() } }, serializer);
    expect(Buffer.compare(asSet, driver.stored.get('k') as Uint8Array)).toBe(0);
    expect(form()).toBe(false);
    counted();
    expect(await region.increment('k', 3)).toBe(8);
    expect(form()).toBe(true);
    expect(counted()).toEqual({ increment: 1, compareAndSet: 1, set: 0 });
    expect(await region.increment('k')).toBe(9);
    expect(counted()).toEqual({ increment: 1, compareAndSet: 0, set: 0 });
    expect(await region.get('k')).toBe(9);
    await region.set('k', 1);
    expect(form()).toBe(false);
    expect(await region.increment('k')).toBe(2);
  });

  test('25: conversion and counting keep date, expiry, tags and ttl', async () => {
    const { clock, driver, region } = setUp(serializer, { later }, { expirationTime: '1h', grace: 0 });
    const createdAt = clock.now();
    await region.set('k', 5, { expirationTime: '10s', tags: ['é', 'b'] });
    const kept = { createdAt, expirationTime: 10_000, tags: ['é', 'b'] };
    for (const sum of [6, 7]) {
      clock.advance(1000);
      expect(await region.increment('k', 1, { expirationTime: '2h', tags: ['other'] })).toBe(sum);
      expect(await region.getEntry('k')).toMatchObject({ value: sum, ...kept });
    }
    clock.advance(7999);
    expect(driver.stored.get('k')).not.toBe(NO_VALUE);
    clock.advance(1);
    expect(driver.stored.get('k')).toBe(NO_VALUE);
    expect(await region.increment('k', 1, { tags: ['other'] })).toBe(1);
    expect(await region.getEntry('k')).toMatchObject({ createdAt: clock.now(), tags: ['other'] });
  });

  test('25: what is no number is refused, the value stays', async () => {
    const { region } = setUp(serializer, { later });
    for (const value of ['5', 'a text that ends with eight bytes', null, [1], { n: 1 }, true]) {
      await region.set('k', value);
      const failure = await failureOf(Promise.resolve(region.increment('k')));
      expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringMatching(/no number/) });
      expect(await region.get('k')).toEqual(value);
    }
  });

  test('25: an entry that cannot be read counts as absent, and is counted', async () => {
    const good = encode({ value: 5, metadata: { createdAt: 1 } }, structuredSerializer);
    for (const bytes of [new Uint8Array(), Buffer.from('foreign, but long enough'), good.subarray(1)]) {
      const { clock, driver, region, form } = setUp(serializer, { later }, { expirationTime: 1000, grace: 0 });
      driver.stored.set('k', bytes, FOREVER);
      expect(await region.increment('k', 1, { initial: 10 })).toBe(11);
      expect(region.stats().missReasons.unreadable).toBeGreaterThan(0);
      expect(form()).toBe(true);
      expect(await region.increment('k')).toBe(12);
      clock.advance(1000);
      expect(driver.stored.get('k')).toBe(NO_VALUE); // the ttl of a new counter
    }
  });

  test('25: 100 increments at once of what set wrote, by two regions, add exactly 100', async () => {
    const { clock, driver, region } = setUp(serializer, { later });
    const other = createRegion({ namespace: '', clock, serializer }).configure(driver);
    await region.set('k', 5);
    const sums = await Promise.all(Array.from({ length: 100 }, (_, i) => (i % 2 ? region : other).increment('k')));
    expect(sums.sort((x, y) => x - y)).toEqual(Array.from({ length: 100 }, (_, i) => i + 6));
    expect(await other.get('k')).toBe(105);
  });

  test('25: a sum beyond all numbers is Infinity, and stays it', async () => {
    const { region } = setUp(serializer, { later });
    const { MAX_VALUE } = Number;
    await region.set('k', MAX_VALUE);
    for (let i = 0; i < 2; i++) {
      expect(await region.increment('k', MAX_VALUE)).toBe(Infinity);
      expect(await region.decrement('k', MAX_VALUE)).toBe(Infinity);
      expect(await region.get('k')).toBe(Infinity);
    }
    expect(await region.decrement('new', MAX_VALUE, { initial: -MAX_VALUE })).toBe(-Infinity);
    expect(await region.get('new')).toBe(-Infinity);
  });

  test('25: without compareAndSet only what increment made is counted on; the error says so', async () => {
    const { region } = setUp(serializer, { later, without: ['compareAndSet'] });
    await region.set('k', 5);
    const refused = await failureOf(region.increment('k'));
    expect(refused).toMatchObject({
      code: 'ERR_STOCKPILE_VALIDATION',
      message: expect.stringMatching(/'counting'.*'compareAndSet'.*delete it first/),
    });
    expect(await region.get('k')).toBe(5);
    await region.set('k', 'text');
    expect(await failureOf(region.increment('k'))).toMatchObject({ message: expect.stringMatching(/no number/) });
    await region.delete('k');
    expect(await region.increment('k')).toBe(1);
    expect(await region.increment('k')).toBe(2);
  });
});

test('25: a conversion that comes second finds the counter of the first', async () => {
  const { region, counted } = setUp(jsonSerializer, { later: true });
  await region.set('k', 5);
  counted();
  const sums = await Promise.all([region.increment('k'), region.increment('k')]);
  expect(sums.sort()).toEqual([6, 7]);
  expect(counted()).toEqual({ increment: 3, compareAndSet: 2, set: 0 });
});

test.each([{ without: [] }, { without: ['compareAndSet'] }] as const)(
  '25: an entry that goes between the two looks begins anew (without: $without)',
  async ({ without }) => {
    const { driver, region } = setUp(structuredSerializer, { later: true, without });
    await region.set('k', 5);
    const { increment } = driver;
    driver.increment = async (...args) => {
      const sum = await increment.apply(driver, args);
      driver.stored.delete('k');
      driver.increment = increment;
      return sum;
    };
    expect(await region.increment('k', 1, { initial: 10 })).toBe(11);
    expect(await region.get('k')).toBe(11);
  },
);

test('25: a NaN that set wrote stays NaN, and ends the call', async () => {
  const { region } = setUp(structuredSerializer);
  await region.set('k', Number.NaN);
  for (let i = 0; i < 3; i++) expect(await region.increment('k')).toBeNaN();
  expect(await region.get('k')).toBeNaN();
});

/** One step of a random history; what it answers, or the code of its error. */
type Step = readonly [what: 'set' | 'increment' | 'delete' | 'get' | 'advance', value: unknown];

async function take(region: Region, clock: TestClock, [what, value]: Step): Promise<unknown> {
  if (what === 'advance') return clock.advance(value as number);
  if (what === 'set') return region.set('k', value);
  if (what === 'delete') return region.delete('k');
  if (what === 'get') return region.getEntry('k');
  return region.increment('k', value as number, { initial: 1 }).catch((error: { code: string }) => error.code);
}

test.each(CASES)(
  '25: whatever is done, it answers as a driver that compares and sets ($name, later: $later)',
  async ({ serializer, later }) => {
    const json = serializer === jsonSerializer; // which knows neither Infinity nor -0
    const by = json ? fc.integer() : fc.double({ noNaN: true, noDefaultInfinity: true });
    const value = fc.oneof(json ? fc.integer() : fc.double(), fc.string(), fc.constant(null));
    const step = fc.oneof(
      fc.tuple(fc.constant('set' as const), value),
      fc.tuple(fc.constant('increment' as const), by),
      fc.tuple(fc.constant('increment' as const), by),
      fc.tuple(fc.constantFrom('delete' as const, 'get' as const), fc.constant(0)),
      fc.tuple(fc.constant('advance' as const), fc.nat(600)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const { clock, region } = setUp(serializer, { later }, { expirationTime: 1000 });
        const otherClock = new TestClock();
        const other = createRegion({ namespace: '', clock: otherClock, serializer }).configure(
          new MemoryPickleBackend({ clock: otherClock }),
          { expirationTime: 1000 },
        );
        for (const one of steps) expect(await take(region, clock, one)).toEqual(await take(other, otherClock, one));
      }),
    );
  },
);
