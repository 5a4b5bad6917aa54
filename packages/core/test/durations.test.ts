/** Durations and sizes: one notation, checked before anything is asked of a backend. */

import { describe, expect, test } from '@jest/globals';
import {
  type ByteSize,
  type ConfigureOptions,
  createRegion,
  type Duration,
  NO_VALUE,
  parseByteSize,
  parseDuration,
  type Region,
} from '@stockpile/core';
import fc from 'fast-check';
import { FACES, failureOf, type Operations, recorded, regionOn, TestClock } from './fixtures.js';

const REFUSED: readonly unknown[] = [
  -1,
  -0.001,
  Number.NaN,
  -Infinity,
  true,
  false,
  null,
  '',
  ' ',
  '5',
  '-5s',
  '5 s',
  ' 5s',
  '5s ',
  '5S',
  '5w',
  '.5s',
  '1e3s',
  'Infinity',
  'one hour',
  '10 parsecs',
  10n,
  [5],
  ['5s'],
  {},
  new Date(0),
  Symbol('5s'),
  () => 5,
];

describe('parseDuration', () => {
  test.each<[Duration, number]>([
    [0, 0],
    [600, 600],
    [0.5, 0.5],
    [Infinity, Infinity],
    ['250ms', 250],
    ['0ms', 0],
    ['30s', 30_000],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
    ['60d', 5_184_000_000],
  ])('4: %j is %d ms', (duration, ms) => {
    expect(parseDuration(duration, 'expirationTime')).toBe(ms);
  });

  test.each(REFUSED.map((value) => [value]))('4: %p is no duration', (value) => {
    expect(() => parseDuration(value as Duration, 'grace')).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining('grace') }),
    );
  });

  test('4: every number from 0 is its own ms, and text is number times unit', () => {
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...(Object.keys(units) as (keyof typeof units)[])), (n, unit) => {
        expect(parseDuration(n, 'x')).toBe(n);
        expect(parseDuration(`${n}${unit}`, 'x')).toBe(n * units[unit]);
      }),
    );
  });
});

describe('parseByteSize', () => {
  test.each<[ByteSize, number]>([
    [1, 1],
    [1024, 1024],
    ['512', 512],
    ['512B', 512],
    ['512K', 524_288],
    ['512k', 524_288],
    ['128M', 134_217_728],
    ['1.5G', 1_610_612_736],
    ['1.3K', 1331],
  ])('%j is %d bytes', (size, bytes) => {
    expect(parseByteSize(size, 'size')).toBe(bytes);
  });

  test.each([
    [0],
    [-1],
    [0.5],
    [Infinity],
    [Number.NaN],
    [2 ** 53],
    ['0K'],
    [''],
    ['K'],
    ['1T'],
    ['1 K'],
    ['-1K'],
    [null],
  ])('%p is no size', (size) => {
    expect(() => parseByteSize(size as ByteSize, 'maxBytes')).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining('maxBytes') }),
    );
  });
});

describe('durations in configure', () => {
  const OPTIONS = ['expirationTime', 'grace', 'timeout', 'errorTtl', 'lockTimeout', 'creatorTimeout'] as const;

  test.each(OPTIONS)('4: %s that is no duration is refused, and the region stays unconfigured', (option) => {
    for (const value of [-1, Number.NaN, true, null, '', 'one hour', '10 parsecs']) {
      const region = createRegion();
      expect(() => region.configure('memory', { [option]: value } as ConfigureOptions)).toThrow(
        expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining(option) }),
      );
      expect(region.isConfigured).toBe(false);
    }
  });

  test('4: serveStaleOnError takes a boolean or a duration, nothing else', () => {
    for (const value of [true, false, '2s', 0]) {
      expect(createRegion().configure('memory', { serveStaleOnError: value as boolean }).isConfigured).toBe(true);
    }
    for (const value of [-1, null, 'soon']) {
      expect(() => createRegion().configure('memory', { serveStaleOnError: value as unknown as boolean })).toThrow(
        expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
      );
    }
  });
});

describe.each(FACES)('durations in calls of %s', (_face, of) => {
  const create = (): number => 1;
  const CALLS: readonly [string, (operations: Operations, expirationTime: Duration) => unknown][] = [
    ['get', (operations, expirationTime) => operations.get('k', { expirationTime })],
    ['getEntry', (operations, expirationTime) => operations.getEntry('k', { expirationTime })],
    ['getMulti', (operations, expirationTime) => operations.getMulti(['k'], { expirationTime })],
    ['getMulti of none', (operations, expirationTime) => operations.getMulti([], { expirationTime })],
    ['set', (operations, expirationTime) => operations.set('k', 1, { expirationTime })],
    ['setMulti', (operations, expirationTime) => operations.setMulti({ k: 1 }, { expirationTime })],
    ['getOrCreate', (operations, expirationTime) => operations.getOrCreate('k', create, { expirationTime })],
    [
      'getOrCreateMulti',
      (operations, expirationTime) => operations.getOrCreateMulti(['k'], () => [1], { expirationTime }),
    ],
    ['increment', (operations, expirationTime) => operations.increment('k', 1, { expirationTime })],
    ['lockTimeout', (operations, lockTimeout) => operations.getOrCreate('k', create, { lockTimeout })],
    ['errorTtl', (operations, errorTtl) => operations.getOrCreate('k', create, { errorTtl })],
    ['creatorTimeout', (operations, creatorTimeout) => operations.getOrCreate('k', create, { creatorTimeout })],
  ];

  test.each(CALLS)('4: %s refuses what is no duration before the backend is asked', async (_name, call) => {
    const { backend, calls } = recorded();
    const { region } = regionOn(backend);
    for (const value of [-1, Number.NaN, true, null, '', 'one hour', '10 parsecs']) {
      const error = await failureOf(() => call(of(region), value as Duration));
      expect(error.code).toBe('ERR_STOCKPILE_VALIDATION');
    }
    expect(calls).toEqual([]);
  });

  test("4: '250ms' stays 250 and '2h' is 7,200,000, of the region and of a call", async () => {
    const clock = new TestClock();
    const region: Region = createRegion({ clock }).configure('memory', { expirationTime: '250ms', grace: '1d' });
    const operations = of(region);
    await operations.set('k', 'v');
    clock.time += 249;
    expect(await operations.get('k')).toBe('v');
    clock.time += 1;
    expect(await operations.get('k')).toBe(NO_VALUE);
    clock.time += 7_200_000 - 251;
    expect(await operations.get('k', { expirationTime: '2h' })).toBe('v');
    clock.time += 1;
    expect(await operations.get('k', { expirationTime: '2h' })).toBe(NO_VALUE);
  });
});

test('4: refresh, waitFor and cached functions refuse what is no duration', async () => {
  const { backend, calls } = recorded();
  const { region } = regionOn(backend);
  const wrong = -1 as Duration;
  const load = region.cacheFunction((id: number) => id, { name: 'load', expirationTime: wrong });
  const perCall = region.cacheFunction((id: number) => id, { name: 'perCall', expirationTime: () => wrong });
  for (const work of [
    () => region.refresh('k', () => 1, { expirationTime: wrong }),
    () => region.waitFor('k', { timeout: wrong }),
    () => load(1),
    () => load.get(1),
    () => load.set(1, 1),
    () => load.refresh(1),
    () => perCall(1),
    () => perCall.get(1),
  ]) {
    expect((await failureOf(work)).code).toBe('ERR_STOCKPILE_VALIDATION');
  }
  expect(calls).toEqual([]);
});
