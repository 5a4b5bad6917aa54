/** get, getEntry and getMulti: what is a hit, and until when. */

import { describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { createRegion, type Duration, NO_VALUE } from '@stockpile/core';
import { FACES, failureOf, recorded, regionOn, TestClock, VARIANTS } from './fixtures.js';

const SECOND = 1000;

describe.each(VARIANTS)('%s over %s', (_face, backend, of) => {
  test('11: what was set is read', async () => {
    const operations = of(regionOn(backend).region);
    await operations.set('k', { name: 'Ada' });
    expect(await operations.get('k')).toEqual({ name: 'Ada' });
    expect(await operations.getMulti(['k'])).toEqual([{ name: 'Ada' }]);
    expect(await operations.getEntry('k')).toMatchObject({ value: { name: 'Ada' } });
  });

  test('11: what is absent is NO_VALUE, also with an expirationTime given and after an invalidation', async () => {
    const operations = of(regionOn(backend).region);
    for (const invalidate of [false, true]) {
      if (invalidate) await operations.invalidate();
      for (const options of [
        undefined,
        { expirationTime: '5s' },
        { expirationTime: Infinity },
        { ignoreExpiration: true },
      ] as const) {
        expect(await operations.get('k', options)).toBe(NO_VALUE);
        expect(await operations.getEntry('k', options)).toBe(NO_VALUE);
        expect(await operations.getMulti(['k'], options)).toEqual([NO_VALUE]);
      }
    }
  });

  test.each([[undefined], [null], [0], [''], [false], [Number.NaN], [-0], [0n]])(
    '12: a cached %p is a hit and comes back as itself',
    async (value) => {
      const { region } = regionOn(backend, { expirationTime: '1m' });
      const operations = of(region);
      const never = (): never => {
        throw new Error('was called');
      };
      await operations.set('k', value);
      const read = [
        await operations.get('k'),
        ...(await operations.getMulti(['k'])),
        await operations.getOrCreate('k', never),
        ...(await operations.getOrCreateMulti(['k'], never)),
      ];
      for (const found of read) expect(Object.is(found, value)).toBe(true);
      const entry = await operations.getEntry('k');
      expect(entry).toHaveProperty('value');
      expect(region.stats()).toMatchObject({ hits: 5, misses: 0 });
    },
  );

  test('13: get misses when the age has reached expirationTime; ignoreExpiration reads until grace is over', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: '2s' });
    const operations = of(region);
    await operations.set('k', 'v');
    clock.time += SECOND - 1;
    expect(await operations.get('k')).toBe('v');
    clock.time += 1;
    expect(await operations.get('k')).toBe(NO_VALUE);
    expect(await operations.getMulti(['k'])).toEqual([NO_VALUE]);
    clock.time += 2 * SECOND - 1;
    expect(await operations.get('k', { ignoreExpiration: true })).toBe('v');
    expect(await operations.getMulti(['k'], { ignoreExpiration: true })).toEqual(['v']);
    clock.time += 1;
    expect(await operations.get('k', { ignoreExpiration: true })).toBe(NO_VALUE);
    expect(await operations.getMulti(['k'], { ignoreExpiration: true })).toEqual([NO_VALUE]);
  });

  test('13: grace is as long as expirationTime by default', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s' });
    await of(region).set('k', 'v');
    clock.time += 2 * SECOND - 1;
    expect(await of(region).get('k', { ignoreExpiration: true })).toBe('v');
    clock.time += 1;
    expect(await of(region).get('k', { ignoreExpiration: true })).toBe(NO_VALUE);
  });

  test('13: without an expirationTime nothing expires', async () => {
    const { region, clock } = regionOn(backend);
    await of(region).set('k', 'v');
    clock.time += 1e12;
    expect(await of(region).get('k')).toBe('v');
    expect(await of(region).getEntry('k')).toMatchObject({ expiresAt: Infinity, expirationTime: Infinity, age: 1e12 });
  });

  test('14: an expirationTime of the call judges that read only', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: 500, grace: '1m' });
    const operations = of(region);
    await operations.set('k', 'v');
    clock.time += 2 * SECOND;
    expect(await operations.get('k', { expirationTime: '5s' })).toBe('v');
    expect(await operations.getMulti(['k'], { expirationTime: '5s' })).toEqual(['v']);
    expect(await operations.getEntry('k', { expirationTime: '5s' })).toMatchObject({
      stale: false,
      expirationTime: 5000,
    });
    expect(await operations.get('k')).toBe(NO_VALUE);
    expect(await operations.getEntry('k')).toMatchObject({ stale: true, expirationTime: 500 });
    expect(await operations.get('k', { expirationTime: 0 })).toBe(NO_VALUE);
  });

  test('15: expirationTime Infinity hits at any age, in every read', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: Infinity });
    const operations = of(region);
    await operations.set('k', 'v');
    clock.time += 1e12;
    const never = { expirationTime: Infinity };
    expect(await operations.get('k', never)).toBe('v');
    expect(await operations.getMulti(['k'], never)).toEqual(['v']);
    expect(await operations.getEntry('k', never)).toMatchObject({ value: 'v', stale: false, expiresAt: Infinity });
    expect(await operations.getOrCreate('k', () => 'new', never)).toBe('v');
    expect(await operations.getOrCreateMulti(['k'], () => ['new'], never)).toEqual(['v']);
    expect(await operations.get('k')).toBe(NO_VALUE);
  });

  test.each<[Duration, number]>([
    ['5s', 5000],
    [100, 100],
    [Infinity, Infinity],
  ])('16: an entry written with expirationTime %p follows it, not the region', async (expirationTime, ms) => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: '1h' });
    const operations = of(region);
    await operations.set('k', 'v', { expirationTime });
    await operations.setMulti({ m: 'v' }, { expirationTime });
    clock.time += Math.min(ms, 1e9) - 1;
    expect(await operations.getMulti(['k', 'm'])).toEqual(['v', 'v']);
    expect(await operations.getEntry('k')).toMatchObject({ expirationTime: ms });
    clock.time += 1;
    expect(await operations.getMulti(['k', 'm'])).toEqual(ms === Infinity ? ['v', 'v'] : [NO_VALUE, NO_VALUE]);
  });

  test('16: an expirationTime of the call goes before that of the entry', async () => {
    const { region, clock } = regionOn(backend, { grace: '1h' });
    await of(region).set('k', 'v', { expirationTime: '5s' });
    clock.time += 2 * SECOND;
    expect(await of(region).get('k', { expirationTime: '1s' })).toBe(NO_VALUE);
    expect(await of(region).get('k')).toBe('v');
  });

  test('17: getEntry of a fresh entry tells its state', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '10s' });
    const createdAt = clock.time;
    await of(region).set('k', 'v', { tags: ['a', 'b'] });
    clock.time += SECOND;
    expect(await of(region).getEntry('k')).toEqual({
      value: 'v',
      createdAt,
      age: SECOND,
      stale: false,
      expiresAt: createdAt + 10 * SECOND,
      expirationTime: 10 * SECOND,
      tags: ['a', 'b'],
    });
  });

  test('17: getEntry of an aged or soft-invalidated one within grace is stale: true', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: '1s' });
    await of(region).set('k', 'v');
    clock.time += SECOND;
    expect(await of(region).getEntry('k')).toMatchObject({ value: 'v', stale: true, tags: [] });
    await of(region).set('k', 'w');
    await of(region).invalidate({ hard: false });
    expect(await of(region).getEntry('k')).toMatchObject({ value: 'w', stale: true });
  });

  test('17: getEntry of what is hard-invalidated or beyond grace is NO_VALUE, unless ignoreExpiration', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: '1h' });
    const operations = of(region);
    await operations.set('hard', 1);
    await operations.invalidate();
    expect(await operations.getEntry('hard')).toBe(NO_VALUE);
    expect(await operations.getEntry('hard', { ignoreExpiration: true })).toMatchObject({ value: 1, stale: true });
    await operations.set('old', 2, { expirationTime: '2h' });
    clock.time += 2 * SECOND;
    // the entry is held longer than this call allows it
    const strict = { expirationTime: 0 };
    clock.time += 3_600 * SECOND;
    expect(await operations.getEntry('old', strict)).toBe(NO_VALUE);
    expect(await operations.getEntry('old', { ...strict, ignoreExpiration: true })).toMatchObject({
      value: 2,
      stale: true,
    });
  });

  test('18: getMulti is aligned with the keys and keeps duplicates', async () => {
    const operations = of(regionOn(backend).region);
    await operations.setMulti({ a: 1, b: 2 });
    expect(await operations.getMulti(['b', 'x', 'a', 'b'])).toEqual([2, NO_VALUE, 1, 2]);
    expect(await operations.getMulti(new Set(['a', 'b']))).toEqual([1, 2]);
  });

  test('18: getMulti reads a generator once', async () => {
    const operations = of(regionOn(backend).region);
    await operations.setMulti({ a: 1, b: 2 });
    let started = 0;
    function* keys(): Generator<string> {
      started++;
      yield 'b';
      yield 'a';
    }
    expect(await operations.getMulti(keys())).toEqual([2, 1]);
    expect(started).toBe(1);
  });

  test('19: an entry from the future counts as new', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s' });
    const operations = of(region);
    clock.time += 60 * SECOND;
    await operations.set('k', 'v');
    clock.time -= 60 * SECOND;
    expect(await operations.get('k')).toBe('v');
    expect(await operations.getEntry('k')).toMatchObject({ age: 0, stale: false });
    clock.time += 60 * SECOND + 999;
    expect(await operations.get('k')).toBe('v');
    clock.time += 1;
    expect(await operations.get('k')).toBe(NO_VALUE);
  });
});

describe.each(FACES)('%s and its backend', (_face, of) => {
  test('18: getMulti of none answers [] without a call, of many with one', async () => {
    const { backend, calls } = recorded();
    const operations = of(regionOn(backend).region);
    expect(await operations.getMulti([])).toEqual([]);
    expect(await operations.getMulti(new Set<string>())).toEqual([]);
    expect(calls).toEqual([]);
    await operations.getMulti(['a', 'b', 'a']);
    expect(calls.map(({ method }) => method)).toEqual(['getMulti']);
  });

  test('18: getMulti judges all by one reading of the clock', async () => {
    const clock = new TestClock();
    const region = createRegion({ clock }).configure(new MemoryBackend({ clock: new TestClock() }), {
      expirationTime: 10,
    });
    await of(region).setMulti({ a: 1, b: 2, c: 3 });
    let reads = 0;
    clock.now = () => 1_000_000 + 6 * reads++; // every further reading would be past the expiration of some
    expect(await of(region).getMulti(['a', 'b', 'c'])).toEqual([1, 2, 3]);
    expect(reads).toBe(1);
  });

  test.each([['abc'], [undefined], [null], [5], [{}]])('18: %p is no list of keys', async (keys) => {
    const { backend, calls } = recorded();
    const operations = of(regionOn(backend).region);
    for (const work of [
      () => operations.getMulti(keys as unknown as string[]),
      () => operations.deleteMulti(keys as unknown as string[]),
      () => operations.getOrCreateMulti(keys as unknown as string[], () => []),
    ]) {
      expect((await failureOf(work)).code).toBe('ERR_STOCKPILE_VALIDATION');
    }
    expect(calls).toEqual([]);
  });

  test('11: a read neither creates nor locks', async () => {
    const { backend, calls } = recorded();
    const operations = of(regionOn(backend).region);
    await operations.get('k');
    await operations.getEntry('k');
    expect(calls.map(({ method }) => method)).toEqual(['get', 'get']);
  });
});

const isPromise = (answer: unknown): boolean => typeof (answer as { then?: unknown } | undefined)?.then === 'function';

test('94: region.sync answers without promises, whatever it does', () => {
  const { sync } = regionOn('memory-pickle').region;
  const answers: unknown[] = [
    sync.set('k', 1),
    sync.setMulti({ a: 1 }),
    sync.get('k'),
    sync.getEntry('k'),
    sync.getMulti(['k']),
    sync.getOrCreate('n', () => 1),
    sync.getOrCreateMulti(['n'], () => [1]),
    sync.increment('k'),
    sync.keyIsLocked('k'),
    sync.invalidate(),
    sync.delete('k'),
    sync.deleteMulti(['a']),
    sync.size(),
    sync.clear(),
  ];
  expect(answers.map(isPromise)).toEqual(answers.map(() => false));
});
