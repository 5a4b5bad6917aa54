import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Segment, ShmBackend, type ShmOptions } from '@stockpile/backend-shm';
import { type CachedValue, createRegion, NO_VALUE, SerializingBackend, structuredSerializer } from '@stockpile/core';
import { closeAll, closing, freshName } from './helpers/segments.js';

const FOREVER = { ttl: Infinity };

interface Opened {
  readonly near: SerializingBackend;
  /** Of the same segment, without a near cache. */
  readonly plain: SerializingBackend;
  readonly segment: Segment;
}

function open(options: ShmOptions = {}): Opened {
  const shared = { segment: freshName(), size: options.size ?? '4M', lifetime: 'processes' } as const;
  const near = closing(new ShmBackend({ ...shared, nearCache: true, ...options }));
  const plain = closing(new ShmBackend(shared));
  const segment = closing(Segment.open({ name: shared.segment }));
  const values = (backend: ShmBackend): SerializingBackend => new SerializingBackend(backend, structuredSerializer);
  return { near: values(near), plain: values(plain), segment };
}

function item(value: unknown): CachedValue {
  return { value, metadata: { createdAt: 1_000_000 } };
}

/** The value, also where there is none. */
function read(backend: SerializingBackend, key = 'a', now?: number): unknown {
  const found = backend.get(key, now) as CachedValue | typeof NO_VALUE;
  return found === NO_VALUE ? NO_VALUE : found.value;
}

/** Read until it is near: the first reads show the ring that it is used. */
function warm({ near }: Opened, key = 'a'): unknown {
  for (let i = 0; i < 3; i++) near.get(key);
  return read(near, key);
}

afterEach(async () => {
  jest.useRealTimers();
  await closeAll();
});

test('a value that nobody changes is decoded once', () => {
  const opened = open();
  opened.plain.set('a', item({ list: [1, { deep: true }] }), FOREVER);
  const value = warm(opened);
  expect(read(opened.near)).toBe(value);
  expect(read(opened.plain)).not.toBe(value);
  expect(value).toEqual({ list: [1, { deep: true }] });
  const before = opened.segment.stats().own;
  for (let i = 0; i < 1000; i++) read(opened.near);
  const after = opened.segment.stats().own;
  expect(after.nearHits - before.nearHits).toBeGreaterThan(990);
  expect(after.hits - before.hits).toBeLessThan(10);
});

describe('what changes it is seen at the next read', () => {
  test.each<[string, (opened: Opened) => unknown, unknown]>([
    ['set', ({ plain }) => plain.set('a', item('new'), FOREVER), 'new'],
    ['set of the same value', ({ plain }) => plain.set('a', item('old'), FOREVER), 'old'],
    [
      'compareAndSet',
      ({ plain }) => plain.compareAndSet('a', plain.get('a') as CachedValue, item('new'), FOREVER),
      'new',
    ],
    ['delete', ({ plain }) => plain.delete('a'), NO_VALUE],
    ['clear', ({ plain }) => plain.clear('a'), NO_VALUE],
    ['set of a text', ({ segment }) => segment.set('a', 'text'), NO_VALUE],
    ['set of a counter', ({ plain }) => plain.delete('a') && plain.increment('a', 1, item(1), FOREVER), 1],
  ])('%s', (_name, change, expected) => {
    const opened = open();
    opened.plain.set('a', item('old'), FOREVER);
    expect(warm(opened)).toBe('old');
    change(opened);
    expect(read(opened.near)).toBe(expected);
    expect(read(opened.near)).toBe(expected);
  });

  test('eviction', () => {
    const opened = open({ size: '2M' });
    opened.plain.set('a', item('old'), FOREVER);
    warm(opened);
    for (let i = 0; i < 20_000; i++) {
      opened.segment.set(`k${i}`, 'x'.repeat(1000));
      opened.segment.get(`k${i}`); // what is never read does not drive out what was
    }
    expect(opened.segment.has('a')).toBe(false);
    expect(read(opened.near)).toBe(NO_VALUE);
  });

  test('a new segment in place of the old one', async () => {
    const opened = open();
    opened.plain.set('a', item('old'), FOREVER);
    warm(opened);
    opened.segment.unlink();
    while (opened.segment.has('x') || !opened.segment.created || opened.segment.get('a') !== undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(read(opened.near)).toBe(NO_VALUE);
    opened.plain.set('a', item('new'), FOREVER);
    expect(warm(opened)).toBe('new');
  });
});

test('what is read often stays in the segment, though the reads are near', () => {
  const opened = open({ size: '2M' });
  opened.plain.set('a', item('hot'), FOREVER);
  for (let i = 0; i < 20_000; i++) {
    opened.segment.set(`k${i}`, 'x'.repeat(1000));
    expect(read(opened.near)).toBe('hot');
  }
});

describe('time', () => {
  test('an entry ends when its ttl does', async () => {
    const opened = open();
    opened.plain.set('a', item('old'), { ttl: 150 });
    const began = performance.now();
    warm(opened);
    while (read(opened.near) === 'old') await new Promise((resolve) => setImmediate(resolve));
    expect(performance.now() - began).toBeGreaterThan(100);
    expect(performance.now() - began).toBeLessThan(1000);
  });

  test('a touch that shortens is seen at once, one that lengthens too', async () => {
    const opened = open();
    opened.plain.set('a', item('old'), { ttl: 60_000 });
    warm(opened);
    opened.segment.touch('a', 20);
    while (read(opened.near) === 'old') await new Promise((resolve) => setImmediate(resolve));
    opened.plain.set('b', item('b'), { ttl: 300 });
    warm(opened, 'b');
    opened.segment.touch('b', '1h');
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(read(opened.near, 'b')).toBe('b');
  });

  test('a wall clock that is set back does not keep it alive', async () => {
    const opened = open();
    opened.plain.set('a', item('old'), { ttl: 100 });
    warm(opened);
    const set = jest.spyOn(Date, 'now').mockReturnValue(1000);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(read(opened.near)).toBe(NO_VALUE);
    set.mockRestore();
  });

  test('of a clock of the region it takes no notice', async () => {
    const clock = { now: () => 5 };
    const opened = open({ clock });
    opened.plain.set('a', item('old'), { ttl: 100 });
    for (let i = 0; i < 5; i++) expect(read(opened.near, 'a', 5)).toBe('old');
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(read(opened.near, 'a', 5)).toBe(NO_VALUE);
  });
});

describe('what readers get', () => {
  test('is frozen all the way down', () => {
    const opened = open();
    opened.plain.set('a', { value: { list: [{ n: 1 }] }, metadata: { createdAt: 1, tags: ['t'] } }, FOREVER);
    const value = warm(opened) as { list: { n: number }[] };
    expect(Object.isFrozen(value) && Object.isFrozen(value.list) && Object.isFrozen(value.list[0])).toBe(true);
    expect(Object.isFrozen((opened.near.get('a') as CachedValue).metadata.tags)).toBe(true);
  });

  test.each([
    ['a Map', new Map([[1, 2]])],
    ['a Date within an object', { at: new Date(0) }],
    ['a Buffer', Buffer.from('abc')],
    ['a Set within an array', [new Set([1])]],
  ])('is decoded for each where it holds %s', (_name, value) => {
    const opened = open();
    opened.plain.set('a', item(value), FOREVER);
    const first = warm(opened);
    expect(read(opened.near)).toEqual(value);
    expect(read(opened.near)).not.toBe(first);
    expect(Object.isFrozen(first)).toBe(false);
  });

  test('is kept as it is with freeze: false', () => {
    const opened = open({ nearCache: { freeze: false } });
    opened.plain.set('a', item(new Map([[1, 2]])), FOREVER);
    const value = warm(opened);
    expect(read(opened.near)).toBe(value);
  });
});

test('counters are never near', () => {
  const opened = open();
  for (let i = 1; i < 10; i++) {
    opened.plain.increment('n', 1, item(1), FOREVER);
    expect(read(opened.near, 'n')).toBe(i);
  }
  expect(opened.segment.stats().own.nearHits).toBe(0);
});

test('no more values than maxItems are kept, those that are read', () => {
  const opened = open({ nearCache: { maxItems: 10 } });
  for (let i = 0; i < 30; i++) opened.plain.set(`k${i}`, item({ i }), FOREVER);
  const hot = warm(opened, 'k0');
  const values = Array.from({ length: 30 }, (_, i) => {
    expect(read(opened.near, 'k0')).toBe(hot);
    return warm(opened, `k${i}`);
  });
  const kept = values.filter((value, i) => read(opened.near, `k${i}`) === value);
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.length).toBeLessThanOrEqual(10);
});

test('as many as maxItems are kept, also when they are read in turn', () => {
  const opened = open({ nearCache: { maxItems: 10 } });
  for (let i = 0; i < 10; i++) opened.plain.set(`k${i}`, item({ i }), FOREVER);
  const values = Array.from({ length: 10 }, (_, i) => warm(opened, `k${i}`));
  for (let round = 0; round < 3; round++) {
    for (const [i, value] of values.entries()) expect(read(opened.near, `k${i}`)).toBe(value);
  }
});

test('compareAndSet knows what the near cache gave', () => {
  const opened = open();
  opened.plain.set('a', item('old'), FOREVER);
  warm(opened);
  expect(opened.near.compareAndSet('a', opened.near.get('a') as CachedValue, item('new'), FOREVER)).toBe(true);
  expect(read(opened.near)).toBe('new');
});

test('a serializer that reads the segment itself keeps nothing of one key under another', () => {
  const { segment, near: _near } = open();
  const name = /([^/]*)\.v1/.exec(segment.path)?.[1] as string;
  const backend = closing(new ShmBackend({ segment: name, nearCache: true }));
  const values: SerializingBackend = new SerializingBackend(backend, {
    ...structuredSerializer,
    deserialize: (bytes) => {
      const value = structuredSerializer.deserialize(bytes);
      return value === 'outer' ? `outer and ${(values.get('b') as CachedValue).value}` : value;
    },
  });
  values.set('a', item('outer'), FOREVER);
  values.set('b', item('inner'), FOREVER);
  for (let i = 0; i < 5; i++) {
    expect(read(values, 'a')).toBe('outer and inner');
    expect(read(values, 'b')).toBe('inner');
  }
});

test('a region serves near values by its own rules', async () => {
  const name = freshName();
  const region = closing(
    createRegion<object>({ name: 'users' }).configure('shm', {
      expirationTime: '1h',
      arguments: { segment: name, size: '4M', lifetime: 'processes', nearCache: true },
    }),
  );
  await region.set('a', { n: 1 });
  for (let i = 0; i < 3; i++) await region.get('a');
  expect(await region.get('a')).toBe(await region.get('a'));
  await region.invalidate();
  expect(await region.get('a')).toBe(NO_VALUE);
  expect(await region.getOrCreate('a', () => ({ n: 2 }))).toEqual({ n: 2 });
  expect(await region.getMulti(['a', 'b'])).toEqual([{ n: 2 }, NO_VALUE]);
});
