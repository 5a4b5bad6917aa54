/** invalidate: hard and soft, whole and by tag, and how calls combine. */

import { describe, expect, jest, test } from '@jest/globals';
import { type InvalidationSubject, NO_VALUE, type Verdict } from '@stockpile/core';
import fc from 'fast-check';
import { KINDS, setUp } from './helpers/setups.js';
import { failureOf, Gate, settle } from './helpers/time.js';

describe.each(KINDS)('over $kind', (kind) => {
  test('54: after a hard invalidation get misses, each getOrCreate regenerates once, then hits', async () => {
    const { region } = setUp(kind);
    const creator = jest.fn(() => 'new');
    for (let round = 1; round <= 3; round++) {
      await region.setMulti({ a: 'old', b: 'old' });
      await region.invalidate();
      expect(await region.get('a')).toBe(NO_VALUE);
      expect(await region.getEntry('a')).toBe(NO_VALUE);
      expect(await region.getMulti(['a', 'b'])).toEqual([NO_VALUE, NO_VALUE]);
      expect(await region.get('a', { ignoreExpiration: true })).toBe('old');
      expect(await region.getOrCreate('a', creator)).toBe('new');
      expect(await region.getOrCreate('a', creator)).toBe('new');
      expect(creator).toHaveBeenCalledTimes(2 * round - 1);
      expect(await region.getOrCreateMulti(['b', 'a'], (keys) => keys.map(creator))).toEqual(['new', 'new']);
      expect(await region.getOrCreateMulti(['b', 'a'], (keys) => keys.map(creator))).toEqual(['new', 'new']);
      expect(creator).toHaveBeenCalledTimes(2 * round);
    }
  });

  test('54: a hard-invalidated entry is waited for, not served stale', async () => {
    const { region } = setUp(kind);
    await region.set('a', 'old');
    await region.invalidate();
    const gate = new Gate<string>();
    const calls = [1, 2].map(() => region.getOrCreate('a', () => gate.promise));
    await settle();
    gate.open('new');
    expect(await Promise.all(calls)).toEqual(['new', 'new']);
  });

  test('55: after a soft invalidation get misses, one caller creates, the others get the stale value', async () => {
    const { region } = setUp(kind);
    await region.set('a', 'old');
    await region.invalidate({ hard: false });
    expect(await region.get('a')).toBe(NO_VALUE);
    expect(await region.getEntry('a')).toMatchObject({ value: 'old', stale: true });
    const gate = new Gate<string>();
    const creator = jest.fn(() => gate.promise);
    const first = region.getOrCreate('a', creator);
    await settle();
    expect(await region.getOrCreate('a', creator)).toBe('old');
    expect(await region.getOrCreateMulti(['a'], () => ['unneeded'])).toEqual(['old']);
    gate.open('new');
    expect(await first).toBe('new');
    expect(await region.get('a')).toBe('new');
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('56: a soft invalidation after a hard one leaves it in force; a hard one after a soft one is hard', async () => {
    for (const order of [
      [true, false],
      [false, true],
    ]) {
      const { clock, region } = setUp(kind);
      await region.set('a', 'old');
      for (const hard of order) {
        clock.advance(10);
        await region.invalidate({ hard });
      }
      expect(await region.getEntry('a')).toBe(NO_VALUE);
    }
  });

  test('56: an invalidation by tag reaches the entries that carry one of the tags, and no others', async () => {
    const { region } = setUp(kind);
    await region.set('red', 1, { tags: ['red'] });
    await region.set('both', 2, { tags: ['blue', 'red'] });
    await region.set('green', 3, { tags: ['green'] });
    await region.set('none', 4);
    await region.invalidate({ tags: ['red', 'other'] });
    expect(await region.getMulti(['red', 'both', 'green', 'none'])).toEqual([NO_VALUE, NO_VALUE, 3, 4]);
    await region.invalidate({ tags: [] });
    expect(await region.getMulti(['green', 'none'])).toEqual([3, 4]);
    await region.set('red', 5, { tags: ['red'] });
    expect(await region.get('red')).toBe(5);
  });

  test('56: invalidations of every kind combine as a simple model says', async () => {
    const tags = fc.subarray(['x', 'y', 'z']);
    const step = fc.oneof(
      fc.record({ do: fc.constant('set' as const), key: fc.constantFrom('a', 'b', 'c'), tags }),
      fc.record({
        do: fc.constant('invalidate' as const),
        hard: fc.boolean(),
        tags: fc.option(tags, { nil: undefined }),
      }),
      fc.record({ do: fc.constant('advance' as const), ms: fc.nat(3) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { clock, region } = setUp(kind);
        const model = new Map<string, { tags: string[]; state: Verdict }>();
        for (const one of steps) {
          if (one.do === 'advance') clock.advance(one.ms);
          if (one.do === 'set') {
            await region.set(one.key, one.key, { tags: one.tags });
            model.set(one.key, { tags: one.tags, state: 'valid' });
          }
          if (one.do === 'invalidate') {
            await region.invalidate({ hard: one.hard, ...(one.tags && { tags: one.tags }) });
            for (const entry of model.values()) {
              const reached = one.tags === undefined || one.tags.some((tag) => entry.tags.includes(tag));
              if (reached && entry.state !== 'hard') entry.state = one.hard ? 'hard' : 'soft';
            }
          }
          for (const key of ['a', 'b', 'c']) {
            const entry = await region.getEntry(key);
            const state = entry === NO_VALUE ? 'hard' : entry.stale ? 'soft' : 'valid';
            expect([key, state]).toEqual([key, model.get(key)?.state ?? 'hard']);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test('57: with a frozen clock, what was written before the invalidation is invalid, what is written after is valid', async () => {
    const { clock, region } = setUp(kind);
    for (const options of [{}, { hard: false }, { tags: ['red'] }, { hard: false, tags: ['red'] }]) {
      for (let round = 0; round < 5; round++) {
        await region.set('a', 'before', { tags: ['red'] });
        await region.setMulti({ b: 'before' }, { tags: ['red'] });
        await region.getOrCreate('c', () => 'before', { tags: ['red'] });
        await region.invalidate(options);
        expect(await region.getMulti(['a', 'b', 'c'])).toEqual([NO_VALUE, NO_VALUE, NO_VALUE]);
        await region.set('a', 'after', { tags: ['red'] });
        await region.setMulti({ b: 'after' }, { tags: ['red'] });
        await region.getOrCreate('c', () => 'after', { tags: ['red'] });
        expect(await region.getMulti(['a', 'b', 'c'])).toEqual(['after', 'after', 'after']);
        await region.delete('c');
      }
    }
    expect(clock.now()).toBe(setUp(kind).clock.now());
  });

  test('57: what is written after an invalidation is dated at least one ms later', async () => {
    const { clock, region } = setUp(kind);
    await region.invalidate();
    await region.set('a', 1);
    const entry = await region.getEntry('a');
    expect(entry).toMatchObject({ createdAt: clock.now() + 1, age: 0, stale: false });
  });

  test('57: a creator that began in the same millisecond before the invalidation is overtaken', async () => {
    const { region } = setUp(kind);
    const gate = new Gate<string>();
    const call = region.getOrCreate('a', () => gate.promise);
    await settle();
    await region.invalidate();
    const after = region.getOrCreate('a', () => 'after');
    expect(await after).toBe('after');
    gate.open('before');
    expect(await call).toBe('before');
    expect(await region.get('a')).toBe('after');
  });

  test('59: a custom regionInvalidator rules per key, and sees key, date and tags', async () => {
    const subjects: InvalidationSubject[] = [];
    const invalidate = jest.fn((_options: object) => {});
    const regionInvalidator = {
      invalidate,
      check: (subject: InvalidationSubject): Verdict => {
        subjects.push(subject);
        return subject.key.startsWith('price:') ? 'hard' : subject.tags.includes('red') ? 'soft' : 'valid';
      },
    };
    const { clock, region } = setUp(kind, { regionInvalidator });
    await region.setMulti({ 'price:1': 1, other: 2 });
    await region.set('tagged', 3, { tags: ['red'] });
    expect(await region.getMulti(['price:1', 'other', 'tagged'])).toEqual([NO_VALUE, 2, NO_VALUE]);
    expect(await region.getEntry('tagged')).toMatchObject({ value: 3, stale: true });
    expect(subjects.slice(0, 3)).toEqual([
      { key: 'price:1', createdAt: clock.now(), tags: [] },
      { key: 'other', createdAt: clock.now(), tags: [] },
      { key: 'tagged', createdAt: clock.now(), tags: ['red'] },
    ]);
    await region.invalidate({ hard: false, tags: ['blue'] });
    expect(invalidate).toHaveBeenCalledWith({ hard: false, tags: ['blue'], at: clock.now() });
  });

  test('59: a custom regionInvalidator sees the key as it was before mangling', async () => {
    const keys = new Set<string>();
    const regionInvalidator = {
      invalidate: () => {},
      check: ({ key }: InvalidationSubject): Verdict => {
        keys.add(key);
        return 'valid';
      },
    };
    const { region } = setUp(kind, { regionInvalidator });
    await region.getOrCreate('a', () => 1);
    await region.getOrCreate('a', () => 1);
    expect([...keys]).toEqual(['a']);
  });

  test.each([[{ hard: 1 }], [{ tags: 'red' }], [{ tags: [1] }]])('54: invalidate(%j) is refused', async (options) => {
    const { region } = setUp(kind);
    const failure = await failureOf(region.invalidate(options as unknown as { hard: boolean }));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_VALIDATION' });
  });

  test('54: past invalidations remain over replaceExistingBackend', async () => {
    const { backend, region } = setUp(kind);
    await region.set('a', 'old');
    await region.invalidate();
    region.configure(backend, { replaceExistingBackend: true });
    expect(await region.get('a')).toBe(NO_VALUE);
  });
});

test.each(KINDS)(
  '57: with the clock set back, what is written after an invalidation is valid over $kind',
  async (kind) => {
    let hard = -Infinity;
    const { clock, region } = setUp(kind, {
      regionInvalidator: {
        invalidate: ({ at }) => {
          hard = Math.max(hard, at);
        },
        check: ({ createdAt }): Verdict => (createdAt <= hard ? 'hard' : 'valid'),
      },
    });
    await region.invalidate();
    clock.advance(-500);
    await region.invalidate();
    await region.set('a', 1);
    expect(await region.get('a')).toBe(1);
  },
);
