import { afterEach, describe, expect, test } from '@jest/globals';
import { Segment, type SegmentEvent, type SegmentOptions, unlinkSegment } from '@stockpile/backend-shm';
import { ValidationError } from '@stockpile/core';
import { errorOf } from './helpers/errors.js';
import { closeAll, closing, freshName } from './helpers/segments.js';

function open(options: SegmentOptions = {}): Segment {
  return closing(Segment.open({ name: freshName(), size: '4M', lifetime: 'processes', ...options }));
}

afterEach(closeAll);

test('keeps texts, bytes and numbers as they are', () => {
  const segment = open();
  const values = [
    '',
    'hello',
    'grüß',
    '😀'.repeat(100),
    'lone \ud800',
    0,
    -1.5,
    NaN,
    Infinity,
    Buffer.of(),
    Buffer.of(0, 255),
  ];
  for (const [i, value] of values.entries()) {
    expect(segment.set(`k${i}`, value)).toBe(true);
    expect(segment.get(`k${i}`)).toEqual(value);
  }
  expect(segment.size).toBe(values.length);
  expect([...segment.keys('k')].sort()).toEqual(values.map((_, i) => `k${i}`).sort());
  segment.clear('k1');
  expect([...segment.keys()].sort()).toEqual(['k0', ...Array.from({ length: 8 }, (_, i) => `k${i + 2}`)]);
});

test('has, delete and touch say whether there is an entry', () => {
  const segment = open();
  expect([segment.has('a'), segment.delete('a'), segment.touch('a', '1s')]).toEqual([false, false, false]);
  segment.set('a', 'x');
  expect([segment.has('a'), segment.touch('a', '1m'), segment.getEntry('a')?.expiresIn]).toEqual([
    true,
    true,
    expect.any(Number),
  ]);
  expect([segment.delete('a'), segment.has('a'), segment.getEntry('a')]).toEqual([true, false, undefined]);
});

test('an entry ends with its ttl', async () => {
  const segment = open();
  segment.set('a', 'x', { ttl: 50 });
  segment.set('b', 'x', { ttl: '1h' });
  segment.set('c', 'x');
  expect(segment.getEntry('a')?.expiresIn).toBeLessThanOrEqual(60);
  expect(segment.getEntry('c')?.expiresIn).toBe(Infinity);
  while (segment.get('a') !== undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  expect([segment.get('b'), segment.get('c')]).toEqual(['x', 'x']);
});

describe('set', () => {
  test('with a condition stores only if it holds', () => {
    const segment = open();
    expect(segment.set('a', '1', { when: 'present' })).toBe(false);
    expect(segment.set('a', '1', { when: 'absent' })).toBe(true);
    expect(segment.set('a', '2', { when: 'absent' })).toBe(false);
    expect(segment.set('a', '3', { when: 'present' })).toBe(true);
    const { version = 0 } = segment.getEntry('a') ?? {};
    expect(segment.set('a', '4', { version })).toBe(true);
    expect(segment.set('a', '5', { version })).toBe(false);
    expect(segment.set('none', '5', { version })).toBe(false);
    expect(segment.getEntry('a')).toMatchObject({ value: '4' });
    expect(segment.getEntry('a')?.version).toBeGreaterThan(version);
  });

  test.each([
    ['ttl', { ttl: 0 }],
    ['ttl', { ttl: -1 }],
    ['when', { when: 'never' }],
    ['version', { version: 0.5 }],
    ['version', { version: 1, when: 'absent' }],
  ])('refuses %s %j', (option, options) => {
    const error = errorOf(() => open().set('a', 'x', options as object));
    expect(error).toBeInstanceOf(ValidationError);
    expect(error.message).toContain(option);
  });

  test('refuses a value or a key of another type', () => {
    const segment = open();
    expect(() => segment.set('a', {} as string)).toThrow(ValidationError);
    for (const method of ['get', 'has', 'delete', 'getEntry'] as const) {
      expect(() => segment[method](5 as unknown as string)).toThrow(/a key must be a string, not 5/);
    }
  });
});

test('increment adds to numbers, and makes them', () => {
  const segment = open();
  expect(segment.increment('n')).toBe(1);
  expect(segment.increment('n', 0.5)).toBe(1.5);
  expect(segment.increment('m', 1, { initial: 10, ttl: '1m' })).toBe(11);
  expect(segment.getEntry('m')?.expiresIn).toBeLessThanOrEqual(60_000);
  segment.set('text', 'x');
  expect(() => segment.increment('text')).toThrow(ValidationError);
  expect(() => segment.increment('n', NaN)).toThrow(ValidationError);
  expect(() => segment.increment('new', Number.MAX_VALUE, { initial: Number.MAX_VALUE })).toThrow(ValidationError);
  expect(segment.has('new')).toBe(false);
  segment.set('large', Number.MAX_VALUE);
  expect(() => segment.increment('large', Number.MAX_VALUE)).toThrow(/not finite/);
  expect(segment.get('large')).toBe(Number.MAX_VALUE);
});

test('lock and unlock', () => {
  const segment = open();
  const fence = segment.lock('a') as number;
  expect(fence).toBeGreaterThan(0);
  expect(segment.lock('a')).toBeUndefined();
  expect(segment.lock('a', { wait: 20 })).toBeUndefined();
  expect(segment.unlock('a', fence + 1)).toBe(false);
  expect(segment.unlock('a', fence)).toBe(true);
  expect(segment.unlock('a', fence)).toBe(false);
  expect(segment.lock('a')).toBeGreaterThan(fence);
});

describe('events', () => {
  test('tell of everything, in order', async () => {
    const segment = open();
    const heard: SegmentEvent[] = [];
    const done = new Promise<void>((resolve) => {
      segment.subscribe('a', (event) => {
        heard.push(event);
        if (event.kind === 'clear') resolve();
      });
    });
    segment.set('a1', 'x', { ttl: '1m' });
    segment.set('b', 'x');
    segment.increment('a2');
    segment.increment('a2');
    segment.touch('a1', '1h');
    segment.delete('a1');
    segment.clear('a');
    await done;
    expect(heard.map(({ kind, key, local }) => `${kind} ${key} ${local}`)).toEqual([
      'set a1 true',
      'set a2 true',
      'increment a2 true',
      'touch a1 true',
      'delete a1 true',
      'clear a true',
    ]);
  });

  test('that come too fast are announced as overflow, and what follows is told', async () => {
    const segment = open();
    const heard: SegmentEvent[] = [];
    let last = (): void => {};
    segment.subscribe('', (event) => {
      heard.push(event);
      if (event.key === 'last') last();
    });
    for (let i = 0; i < 50_000; i++) segment.set(`k${i % 100}`, 'x');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const told = new Promise<void>((resolve) => {
      last = resolve;
    });
    segment.set('last', 'x');
    await told;
    expect(heard.filter(({ kind }) => kind === 'overflow').length).toBeGreaterThan(0);
  });

  test('end with their subscription, and with the segment', async () => {
    const name = freshName();
    const [segment, other] = [open({ name }), open({ name })];
    const heard: (string | undefined)[] = [];
    const first = segment.subscribe('', ({ key }) => heard.push(`first ${key}`));
    segment.subscribe('', ({ key }) => heard.push(`second ${key}`));
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    segment.close();
    const told = new Promise<void>((resolve) => {
      other.subscribe('', () => resolve());
    });
    other.set('a', 'x');
    await told;
    expect(heard).toEqual([]);
  });
});

test('closed, it says so', () => {
  const segment = open();
  segment.close();
  segment.close();
  for (const use of [
    () => segment.get('a'),
    () => segment.set('a', 'x'),
    () => segment.size,
    () => segment.stats(),
    () => [...segment.keys()],
    () => segment.subscribe('', () => {}),
  ]) {
    expect(errorOf(use).code).toBe('ERR_STOCKPILE_SHM_CLOSED');
  }
});

test('with whenFull throw nothing is evicted, and full is an error', () => {
  const segment = open({ size: '2M', whenFull: 'throw' });
  const value = 'x'.repeat(1000);
  let stored = 0;
  const error = errorOf(() => {
    for (; stored < 10_000; stored++) segment.set(`k${stored}`, value);
  });
  expect(error.code).toBe('ERR_STOCKPILE_SEGMENT_FULL');
  expect(error.message).toMatch(/is full.*1000 bytes.*whenFull.*'size'/);
  for (let i = 0; i < stored; i++) expect(segment.get(`k${i}`)).toBe(value);
  expect([...segment.keys()]).toHaveLength(stored);
  for (const key of ['k0', 'k1', 'k2']) segment.delete(key); // room for one, wherever the ring begins a new lap
  expect(segment.set('new', value)).toBe(true);
});

test('without it the least used make room', () => {
  const segment = open({ size: '2M' });
  for (let i = 0; i < 10_000; i++) segment.set(`k${i}`, 'x'.repeat(1000));
  const { evicted, items, participants, own } = segment.stats();
  expect(evicted).toBeGreaterThan(1000);
  expect(items).toBeLessThan(3000);
  expect(participants).toBe(1);
  expect(own.sets).toBe(10_000);
});

test('enumeration meets each key once, more than fit into one part', () => {
  const segment = open({ size: '16M' });
  const long = 'k'.repeat(500);
  for (let i = 0; i < 2000; i++) segment.set(`${long}${i}`, 'x');
  const keys = [...segment.keys()];
  expect(keys).toHaveLength(2000);
  expect(new Set(keys).size).toBe(2000);
});

test('unlinkSegment removes what is there', () => {
  const name = freshName();
  const segment = open({ name, lifetime: 'boot' });
  expect(segment.created).toBe(true);
  expect(segment.path).toContain(name);
  expect(segment.byteSize).toBeGreaterThan(3.5 * 2 ** 20);
  expect(unlinkSegment(name)).toBe(true);
  expect(unlinkSegment(name)).toBe(false);
  expect(() => unlinkSegment('../a')).toThrow(ValidationError);
  expect(() => unlinkSegment('a', { dir: 'relative' })).toThrow(ValidationError);
});
