import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  type BytesBackend,
  type CachedValue,
  createRegion,
  jsonSerializer,
  NO_VALUE,
  SerializingBackend,
  structuredSerializer,
} from '@stockpile/core';
import fc from 'fast-check';

const START = 1_000_000;
const FOREVER = { ttl: Infinity };

class TestClock {
  time = START;
  now(): number {
    return this.time;
  }
}

function item(value: unknown, createdAt = START): CachedValue {
  return { value, metadata: { createdAt } };
}

function bytes(...of: number[]): Uint8Array {
  return Uint8Array.from(of);
}

afterEach(() => {
  jest.useRealTimers();
});

describe('the registered name', () => {
  test('makes a backend of bytes with the clock of the region', () => {
    const clock = new TestClock();
    const backend = createRegion({ clock: clock }).configure('memory-pickle', { arguments: {} })
      .actualBackend as BytesBackend;
    expect(backend).toBeInstanceOf(MemoryPickleBackend);
    backend.set('a', bytes(1), { ttl: 10 });
    clock.time += 10;
    expect(backend.get('a')).toBe(NO_VALUE);
  });
});

describe('what comes out is a copy', () => {
  test('of the value, bytes nested in objects included', () => {
    const backend = new SerializingBackend(new MemoryPickleBackend(), structuredSerializer);
    const value = { list: [1], buffer: Buffer.from('abc'), words: new Uint16Array([1, 2]) };
    backend.set('a', item(value), FOREVER);
    value.list.push(2);
    const first = backend.get('a') as CachedValue<typeof value>;
    first.value.list.push(3);
    first.value.buffer.fill(0);
    first.value.words.fill(0);
    expect(backend.get('a')).toMatchObject(
      item({ list: [1], buffer: Buffer.from('abc'), words: new Uint16Array([1, 2]) }),
    );
  });

  test('as the serializer makes it', () => {
    const backend = new SerializingBackend(new MemoryPickleBackend(), jsonSerializer);
    backend.set('a', item(new Date(0)), FOREVER);
    expect(backend.get('a')).toMatchObject({ value: '1970-01-01T00:00:00.000Z' });
  });
});

describe('compareAndSet', () => {
  test('compares bytes, not objects', () => {
    const backend = new MemoryPickleBackend();
    expect(backend.compareAndSet('a', bytes(1), bytes(2), FOREVER)).toBe(false);
    expect(backend.compareAndSet('a', NO_VALUE, bytes(1), FOREVER)).toBe(true);
    expect(backend.compareAndSet('a', NO_VALUE, bytes(2), FOREVER)).toBe(false);
    expect(backend.compareAndSet('a', bytes(1, 0), bytes(2), FOREVER)).toBe(false);
    expect(backend.compareAndSet('a', bytes(1), bytes(2), FOREVER)).toBe(true);
    expect(backend.get('a')).toEqual(Buffer.of(2));
  });

  test('keeps the end of the entry where no ttl is given, and gives counters to values', () => {
    const clock = new TestClock();
    const backend = new SerializingBackend(new MemoryPickleBackend({ clock }), structuredSerializer);
    expect(backend.capabilities.has('counters')).toBe(true);
    expect(backend.increment('n', 1, item(1), { ttl: 100 })).toBe(1);
    clock.time += 99;
    expect(backend.increment('n', 2, item(2), { ttl: 100 })).toBe(3);
    clock.time += 1;
    expect(backend.get('n')).toBe(NO_VALUE);
  });
});

describe('what has ended is freed although nobody reads it', () => {
  test('by a timer that goes away when nothing is left to wait for', () => {
    jest.useFakeTimers();
    const backend = new MemoryPickleBackend();
    backend.set('immortal', bytes(0), FOREVER);
    expect(jest.getTimerCount()).toBe(0);
    for (let i = 0; i < 1500; i++) backend.set(`a${i}`, bytes(1), { ttl: 60_000 });
    expect(jest.getTimerCount()).toBe(1);
    jest.advanceTimersByTime(61_000);
    expect(jest.getTimerCount()).toBe(0);
    expect([...backend.keys('')]).toEqual(['immortal']);
  });

  test('and close stops the timer', () => {
    jest.useFakeTimers();
    const backend = new MemoryPickleBackend();
    backend.set('a', bytes(1), { ttl: 1000 });
    backend.close();
    expect(jest.getTimerCount()).toBe(0);
  });
});

test('events tell of what happened, in order', () => {
  const backend = new MemoryPickleBackend();
  const heard: (string | undefined)[][] = [];
  using _subscription = backend.subscribe('a', ({ type, key }) => heard.push([type, key]));
  backend.set('a1', bytes(1), FOREVER);
  backend.set('b1', bytes(1), FOREVER);
  backend.compareAndSet('a1', bytes(1), bytes(2), FOREVER);
  backend.compareAndSet('a1', bytes(1), bytes(2), FOREVER);
  backend.delete('a1');
  backend.delete('a1');
  backend.clear('');
  expect(heard).toEqual([
    ['set', 'a1'],
    ['set', 'a1'],
    ['delete', 'a1'],
    ['clear', undefined],
  ]);
});

test('behaves like a Map of bytes with an end', () => {
  const key = fc.constantFrom('a1', 'a2', 'b1', 'b2', 'c');
  const ttl = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(Infinity));
  const prefix = fc.constantFrom('', 'a', 'b');
  const step = fc.oneof(
    fc.record({ op: fc.constant('set' as const), key, ttl }),
    fc.record({ op: fc.constant('compareAndSet' as const), key, ttl: fc.option(ttl, { nil: undefined }) }),
    fc.record({ op: fc.constant('get' as const), key }),
    fc.record({ op: fc.constant('delete' as const), key }),
    fc.record({ op: fc.constant('keys' as const), prefix }),
    fc.record({ op: fc.constant('clear' as const), prefix }),
    fc.record({ op: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 15 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const clock = new TestClock();
      const backend = new MemoryPickleBackend({ clock });
      const model = new Map<string, { value: number; end: number }>();
      let writes = 0;
      for (const each of steps) {
        for (const [name, { end }] of model) if (clock.time >= end) model.delete(name);
        if (each.op === 'pass') clock.time += each.ms;
        else if (each.op === 'keys') {
          expect([...backend.keys(each.prefix)].sort()).toEqual(
            [...model.keys()].filter((name) => name.startsWith(each.prefix)).sort(),
          );
        } else if (each.op === 'clear') {
          backend.clear(each.prefix);
          for (const name of [...model.keys()]) if (name.startsWith(each.prefix)) model.delete(name);
        } else if (each.op === 'get') {
          const found = backend.get(each.key);
          expect(found === NO_VALUE ? undefined : found[0]).toBe(model.get(each.key)?.value);
        } else if (each.op === 'delete') expect(backend.delete(each.key)).toBe(model.delete(each.key));
        else {
          const old = model.get(each.key);
          const value = ++writes;
          const end = clock.time + (each.ttl ?? Infinity);
          if (each.op === 'compareAndSet') {
            expect(backend.compareAndSet(each.key, bytes(0), bytes(value), { ttl: each.ttl })).toBe(false);
            expect(backend.compareAndSet(each.key, backend.get(each.key), bytes(value), { ttl: each.ttl })).toBe(true);
            model.set(each.key, { value, end: each.ttl === undefined ? (old?.end ?? Infinity) : end });
          } else {
            expect(backend.set(each.key, bytes(value), { ttl: each.ttl })).toBe(true);
            model.set(each.key, { value, end });
          }
        }
      }
    }),
  );
});
