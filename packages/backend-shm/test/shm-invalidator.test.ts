import { afterEach, describe, expect, test } from '@jest/globals';
import { Segment, ShmBackend } from '@stockpile/backend-shm';
import { createRegion, NO_VALUE, type Region, type RegionInvalidator, type StockpileError } from '@stockpile/core';
import { closeAll, closing, freshName } from './helpers/segments.js';

afterEach(closeAll);

interface Opened {
  readonly backend: ShmBackend;
  readonly segment: Segment;
  /** Two of one region, as two processes would have them. */
  readonly ours: RegionInvalidator;
  readonly theirs: RegionInvalidator;
}

function open(size: '2M' | '4M' = '4M'): Opened {
  const segment = freshName();
  const backend = closing(new ShmBackend({ segment, size, lifetime: 'processes' }));
  const [ours, theirs] = [backend.createInvalidator('users:'), backend.createInvalidator('users:')];
  return { backend, ours, theirs, segment: closing(Segment.open({ name: segment })) };
}

function entry(createdAt: number, ...tags: string[]): Parameters<RegionInvalidator['check']>[0] {
  return { key: 'a', createdAt, tags };
}

const all = (at: number): Parameters<RegionInvalidator['invalidate']>[0] => ({ hard: true, tags: undefined, at });

test('what one is told, the other knows', () => {
  const { ours, theirs } = open();
  expect([ours.latest, theirs.latest, theirs.check(entry(0))]).toEqual([-Infinity, -Infinity, 'valid']);
  ours.invalidate(all(100));
  expect([ours.latest, theirs.latest]).toEqual([100, 100]);
  expect([theirs.check(entry(100)), theirs.check(entry(101))]).toEqual(['hard', 'valid']);
  theirs.invalidate({ hard: false, tags: undefined, at: 200 });
  theirs.invalidate({ hard: true, tags: ['x', 'y'], at: 300 });
  expect(ours.latest).toBe(300);
  expect([ours.check(entry(150)), ours.check(entry(250)), ours.check(entry(250, 'y'))]).toEqual([
    'soft',
    'valid',
    'hard',
  ]);
});

test('times only grow, also where clocks do not', () => {
  const { ours, theirs } = open();
  ours.invalidate(all(100));
  theirs.invalidate(all(50));
  expect(ours.latest).toBe(101); // after what others may have written since
  expect(ours.check(entry(101))).toBe('hard');
});

test('regions are apart', () => {
  const { backend, ours } = open();
  const other = backend.createInvalidator('orders:');
  ours.invalidate(all(100));
  expect(other.latest).toBe(-Infinity);
});

test('many invalidations of many at once are all kept', () => {
  const { backend } = open();
  const many = Array.from({ length: 5 }, () => backend.createInvalidator('users:'));
  for (let i = 0; i < 100; i++) many[i % 5]?.invalidate({ hard: true, tags: [`t${i}`], at: 1000 + i });
  for (const each of many) {
    for (let i = 0; i < 100; i++) expect(each.check(entry(1000 + i, `t${i}`))).toBe('hard');
  }
});

test('more tags than fit become an invalidation of all that is older', () => {
  const { ours, theirs } = open('2M');
  const count = 3000;
  for (let i = 0; i < count; i++)
    ours.invalidate({ hard: true, tags: [`a long name of a tag, number ${i}`], at: 1000 + i });
  expect(theirs.latest).toBe(1000 + count - 1);
  for (const i of [0, 1, count / 2, count - 1]) {
    expect(theirs.check(entry(1000 + i, `a long name of a tag, number ${i}`))).toBe('hard');
  }
  expect(theirs.check(entry(1000))).toBe('hard');
  expect(theirs.check(entry(1000 + count))).toBe('valid');
});

test('foreign bytes in their place are no times', () => {
  const { ours, theirs, segment } = open();
  ours.invalidate(all(100));
  for (const text of ['', 'x', '{}', '[1]', '["a", {}, 5, [["t"]]]', 'null']) {
    segment.set('\0stockpile.invalidation:users:', text);
    theirs.invalidate(all(200));
    expect(theirs.latest).toBeGreaterThanOrEqual(200);
    expect(ours.latest).toBe(theirs.latest);
  }
});

test('they survive eviction', () => {
  const { backend, ours, segment } = open('2M');
  ours.invalidate(all(100));
  for (let i = 0; i < 20_000; i++) segment.set(`k${i}`, 'x'.repeat(1000));
  expect(backend.createInvalidator('users:').latest).toBe(100);
});

test('have room beside counters that have used up theirs', async () => {
  const args = { segment: freshName(), size: '1M', lifetime: 'processes' } as const;
  const [counting, other] = ['counting', 'other'].map((name) =>
    closing(createRegion({ name }).configure('shm', { arguments: args })),
  ) as [Region, Region];
  other.sync.set('page', 'old');
  let error: unknown;
  for (let i = 0; error === undefined; i++) {
    try {
      counting.sync.increment(`c${i}`);
    } catch (thrown) {
      error = thrown;
    }
  }
  expect(error).toMatchObject({ code: 'ERR_STOCKPILE_SHM_PINNED_FULL', key: expect.stringMatching(/^c\d+$/) });
  await other.invalidate(); // for the first time
  await counting.invalidate();
  expect(other.sync.get('page')).toBe(NO_VALUE);
});

test('that cannot be noted say of which keys they are, by their beginning', () => {
  const { ours, segment } = open('2M');
  const pinned = 'x'.repeat(1000);
  const backend = closing(new ShmBackend({ segment: segment.path.replace(/.*\/|\.v\d.*/g, '') }));
  let error: StockpileError | undefined;
  // many regions, each with times of its own
  for (let i = 0; error === undefined && i < 10_000; i++) {
    try {
      backend.createInvalidator(`${i}${pinned}:`).invalidate(all(100));
    } catch (thrown) {
      error = thrown as StockpileError;
    }
  }
  expect(error).toMatchObject({ code: 'ERR_STOCKPILE_SHM_PINNED_FULL', key: undefined });
  expect(error?.message).toMatch(/the invalidation of keys that begin with "\d+xxx.*never evicted/);
  expect(error?.message).not.toContain('stockpile.');
  expect(ours.latest).toBe(-Infinity);
});

test('in a new segment they are what is known, and go on', async () => {
  const { ours, theirs, segment } = open();
  ours.invalidate(all(100));
  expect(theirs.latest).toBe(100);
  segment.unlink();
  while (!segment.created || segment.get('\0stockpile.invalidation:users:') !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect(ours.latest).toBe(100);
  ours.invalidate(all(200));
  expect(theirs.latest).toBe(200);
});

describe('regions', () => {
  function regions(): [Region, Region] {
    const args = { segment: freshName(), size: '4M', lifetime: 'processes' } as const;
    const make = (): Region => closing(createRegion({ name: 'users' }).configure('shm', { arguments: args }));
    return [make(), make()];
  }

  test('share them by themselves', async () => {
    const [one, other] = regions();
    await one.set('a', 1, { tags: ['t'] });
    await one.set('b', 2);
    expect(await other.getMulti(['a', 'b'])).toEqual([1, 2]);
    await one.invalidate({ tags: ['t'] });
    expect(await other.getMulti(['a', 'b'])).toEqual([NO_VALUE, 2]);
    await other.set('a', 3, { tags: ['t'] });
    expect(await one.get('a')).toBe(3);
    await other.invalidate();
    expect(await one.getMulti(['a', 'b'])).toEqual([NO_VALUE, NO_VALUE]);
  });

  test('write after what the other invalidated in the same millisecond', async () => {
    const [one, other] = regions();
    for (let i = 0; i < 200; i++) {
      await one.invalidate();
      await other.set('a', i);
      expect(await one.get('a')).toBe(i);
      await other.invalidate();
      expect(await one.get('a')).toBe(NO_VALUE);
    }
  });
});
