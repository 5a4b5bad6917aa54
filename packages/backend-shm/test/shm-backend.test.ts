import { afterEach, describe, expect, test } from '@jest/globals';
import { Segment, ShmBackend, type ShmOptions, unlinkSegment } from '@stockpile/backend-shm';
import {
  type BytesBackend,
  type CachedValue,
  createRegion,
  type KeyEvent,
  NO_VALUE,
  SerializingBackend,
  structuredSerializer,
  ValidationError,
  ValueTooLargeError,
} from '@stockpile/core';
import fc from 'fast-check';
import { errorOf } from './helpers/errors.js';
import { closeAll, closing, freshName, openBackend } from './helpers/segments.js';

const FOREVER = { ttl: Infinity };

function item(value: unknown): CachedValue {
  return { value, metadata: { createdAt: 1_000_000 } };
}

function bytes(...of: number[]): Uint8Array {
  return Uint8Array.from(of);
}

/** The driver, a region's view of it, and the raw segment. */
function open(options: ShmOptions = {}): { driver: ShmBackend; values: SerializingBackend; segment: Segment } {
  const name = freshName();
  const driver = openBackend({ segment: name, ...options });
  const segment = closing(Segment.open({ name, lifetime: options.lifetime ?? 'processes' }));
  return { driver, values: new SerializingBackend(driver, structuredSerializer), segment };
}

afterEach(closeAll);

describe('the registered name', () => {
  test('makes a backend of bytes on the named segment', () => {
    const name = freshName();
    const region = closing(
      createRegion({ name: 'users' }).configure('shm', {
        arguments: { segment: name, lifetime: 'processes', size: '4M' },
      }),
    );
    expect(region.actualBackend as BytesBackend).toBeInstanceOf(ShmBackend);
    region.sync.set('a', 1);
    const segment = closing(Segment.open({ name }));
    expect([...segment.keys()]).toEqual(['users:a']);
  });

  test('takes flat text', () => {
    const region = closing(
      createRegion().configureFromConfig(
        {
          'cache.backend': 'shm',
          'cache.arguments.segment': freshName(),
          'cache.arguments.size': '4M',
          'cache.arguments.lifetime': 'processes',
          'cache.arguments.nearCache': 'true',
          'cache.arguments.meanItemBytes': '256',
        },
        'cache',
      ),
    );
    expect((region.actualBackend as ShmBackend).decodedCache).toBeDefined();
  });
});

describe('what get answers with', () => {
  test('is a copy that later reads and writes leave alone', () => {
    const { driver } = open();
    driver.set('a', bytes(1, 2, 3), FOREVER);
    const found = driver.get('a');
    driver.set('b', bytes(9, 9, 9), FOREVER);
    driver.get('b');
    expect(found).toEqual(Buffer.of(1, 2, 3));
  });

  test('may be larger than the buffer that it comes through', () => {
    const { driver } = open({ size: '16M' });
    for (const size of [0, 1, 65_535, 65_536, 65_537, 300_000]) {
      const value = Buffer.alloc(size, 'abc');
      driver.set('a', value, FOREVER);
      expect(value.equals(driver.get('a') as Uint8Array)).toBe(true);
    }
  });

  test('is unreadable, and so a miss, where others have put a text', () => {
    const { values, segment } = open();
    segment.set('a', 'text');
    expect(values.get('a')).toBe(NO_VALUE);
    values.set('a', item(1), FOREVER);
    expect(values.get('a')).toMatchObject(item(1));
  });
});

describe('a value that is too large', () => {
  test('for maxValueBytes names the bytes, the limit and the option', () => {
    const { driver } = open({ maxValueBytes: '1K' });
    expect(driver.set('a', Buffer.alloc(1024), FOREVER)).toBe(true);
    for (const write of [
      () => driver.set('a', Buffer.alloc(1025), FOREVER),
      () => driver.compareAndSet('a', Buffer.alloc(1024), Buffer.alloc(1025), FOREVER),
    ]) {
      const error = errorOf(write);
      expect(error).toBeInstanceOf(ValueTooLargeError);
      expect(error.message).toMatch(/"a".*1025 bytes.*1024.*maxValueBytes/);
    }
    expect((driver.get('a') as Uint8Array).length).toBe(1024);
  });

  test('for the segment too', () => {
    const { driver } = open();
    driver.set('a', bytes(1), FOREVER);
    const error = errorOf(() => driver.set('a', Buffer.alloc(4 * 2 ** 20), FOREVER));
    expect(error).toBeInstanceOf(ValueTooLargeError);
    expect(error.message).toMatch(/4194304 bytes.*'size'/);
    expect(driver.get('a')).toEqual(Buffer.of(1));
  });
});

describe('counters', () => {
  test('are numbers in the segment, and read like any other entry', () => {
    const { values, segment } = open();
    expect(values.increment('n', 2, item(2), FOREVER)).toBe(2);
    expect(segment.get('n')).toBe(2);
    expect(segment.increment('n', 40)).toBe(42);
    expect(values.get('n')).toMatchObject(item(42));
  });

  test('are made of values that were set, which keep their end', async () => {
    const { values, segment } = open();
    values.set('n', item(5), { ttl: 60_000 });
    expect(values.increment('n', 1, item(1), FOREVER)).toBe(6);
    expect(segment.get('n')).toBe(6);
    expect(segment.getEntry('n')?.expiresIn).toBeLessThanOrEqual(60_000);
    expect(values.increment('n', 1, item(1), FOREVER)).toBe(7);
  });

  test('are compared and set whole', () => {
    const { values } = open();
    values.increment('n', 1, item(1), FOREVER);
    const seen = values.get('n') as CachedValue;
    values.increment('n', 1, item(1), FOREVER);
    expect(values.compareAndSet('n', seen, item(10), FOREVER)).toBe(false);
    expect(values.compareAndSet('n', values.get('n') as CachedValue, item(10), FOREVER)).toBe(true);
    expect(values.increment('n', 1, item(1), FOREVER)).toBe(11);
  });

  test('refuse what is no number', () => {
    const { values } = open();
    values.set('text', item('5'), FOREVER);
    expect(() => values.increment('text', 1, item(1), FOREVER)).toThrow(ValidationError);
    expect(values.get('text')).toMatchObject(item('5'));
  });
});

describe('long keys', () => {
  test('keep their namespace, and stay apart', () => {
    const { driver } = open();
    const long = 'k'.repeat(5000);
    const stored = [
      `users:${long}1`,
      `users:${long}2`,
      `orders:${long}1`,
      `${long}1`,
      `${'n'.repeat(5000)}:${long}`,
    ].map((key) => driver.keyMangler(key));
    expect(new Set(stored).size).toBe(5);
    for (const key of stored) expect(Buffer.byteLength(key)).toBeLessThanOrEqual(4096);
    expect(stored.slice(0, 3).map((key) => key.split(':')[0])).toEqual(['users', 'users', 'orders']);
    const fits = `users:${'ü'.repeat(2045)}`;
    expect(driver.keyMangler(fits)).toBe(fits);
    expect(driver.set(fits, bytes(1), FOREVER)).toBe(true);
  });

  test('that nobody mangled are refused with their limit', () => {
    const { driver } = open();
    const error = errorOf(() => driver.get('k'.repeat(4097)));
    expect(error).toBeInstanceOf(ValidationError);
    expect(error.message).toMatch(/4097 bytes; the limit is 4096/);
    expect(errorOf(() => driver.set('a\ud800', bytes(1), FOREVER)).message).toMatch(/lone surrogate/);
    expect(errorOf(() => driver.delete('')).message).toMatch(/empty/);
  });
});

test('the keys that the backend keeps for itself are not told', async () => {
  const { driver, segment } = open();
  const heard: KeyEvent[] = [];
  using _subscription = driver.subscribe('', (event) => heard.push(event));
  void driver.createInvalidator('users:').invalidate({ hard: true, tags: undefined, at: 1 });
  driver.set('a', bytes(1), FOREVER);
  expect([...driver.keys('')]).toEqual(['a']);
  expect([...driver.keys('\0stockpile.')]).toEqual(['\0stockpile.invalidation:users:']);
  expect([...segment.keys()]).toHaveLength(2);
  while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
  expect(heard).toEqual([{ type: 'set', key: 'a', local: true }]);
});

test('two backends of one segment are one store, whose last user closes it', () => {
  const name = freshName();
  const [first, second] = [openBackend({ segment: name }), openBackend({ segment: name })];
  first.set('a', bytes(1), FOREVER);
  expect(second.get('a')).toEqual(Buffer.of(1));
  first.close();
  expect(second.get('a')).toEqual(Buffer.of(1));
  second.close();
  expect(errorOf(() => second.get('a')).code).toBe('ERR_STOCKPILE_SHM_CLOSED');
  expect(unlinkSegment(name)).toBe(false); // lifetime 'processes'
});

describe('when the file is removed', () => {
  test('it goes on with a new one, and says that anything may have changed', async () => {
    const { driver, segment } = open();
    const events: KeyEvent[] = [];
    using _subscription = driver.subscribe('', (event) => events.push(event));
    const mutex = driver.getMutex('a');
    expect(mutex.acquire({ wait: 0 })).toBe(true);
    driver.set('b', bytes(1), FOREVER);
    expect(segment.unlink()).toBe(true);
    while (driver.get('b') !== NO_VALUE) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(driver.set('b', bytes(2), FOREVER)).toBe(true);
    expect(driver.get('b')).toEqual(Buffer.of(2));
    expect(driver.set('a', bytes(1), { ...FOREVER, mutex })).toBe(false); // the lock went with the old one
    expect(mutex.release()).toBe(false);
    expect(events).toContainEqual({ type: 'overflow', key: undefined, local: false });
    while (!events.some(({ key }) => key === 'b')) await new Promise((resolve) => setImmediate(resolve));
  });

  test('who only listens notices it too', async () => {
    const { driver, segment } = open();
    const overflow = new Promise<void>((resolve) => {
      driver.subscribe('', ({ type }) => type === 'overflow' && resolve());
    });
    segment.unlink();
    await overflow;
  });
});

test('behaves like a Map of bytes', () => {
  const { driver } = open();
  const key = fc.constantFrom('a1', 'a2', 'b1', 'b2', 'c');
  const prefix = fc.constantFrom('', 'a', 'b');
  const step = fc.oneof(
    fc.record({ op: fc.constant('set' as const), key }),
    fc.record({ op: fc.constant('compareAndSet' as const), key }),
    fc.record({ op: fc.constant('get' as const), key }),
    fc.record({ op: fc.constant('delete' as const), key }),
    fc.record({ op: fc.constant('keys' as const), prefix }),
    fc.record({ op: fc.constant('clear' as const), prefix }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      driver.clear('');
      const model = new Map<string, number>();
      let writes = 0;
      for (const each of steps) {
        if (each.op === 'keys') {
          const expected = [...model.keys()].filter((name) => name.startsWith(each.prefix)).sort();
          expect([...driver.keys(each.prefix)].sort()).toEqual(expected);
        } else if (each.op === 'clear') {
          driver.clear(each.prefix);
          for (const name of [...model.keys()]) if (name.startsWith(each.prefix)) model.delete(name);
        } else if (each.op === 'get') {
          const found = driver.get(each.key);
          expect(found === NO_VALUE ? undefined : found[0]).toBe(model.get(each.key));
        } else if (each.op === 'delete') expect(driver.delete(each.key)).toBe(model.delete(each.key));
        else {
          const value = ++writes % 256;
          if (each.op === 'set') expect(driver.set(each.key, bytes(value), FOREVER)).toBe(true);
          else {
            expect(driver.compareAndSet(each.key, bytes(0, 0), bytes(value), FOREVER)).toBe(false);
            expect(driver.compareAndSet(each.key, driver.get(each.key), bytes(value), FOREVER)).toBe(true);
          }
          model.set(each.key, value);
        }
      }
    }),
  );
});
