import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { type CachedValue, createRegion, type KeyEvent, NO_VALUE } from '@stockpile/core';
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

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe('the registered name', () => {
  test('makes a backend with the arguments and the clock of the region', () => {
    const clock = new TestClock();
    const cacheMap = new Map<string, CachedValue>();
    const backend = createRegion({ clock: clock }).configure('memory', { arguments: { cacheMap } })
      .actualBackend as MemoryBackend;
    expect(backend).toBeInstanceOf(MemoryBackend);
    (backend as MemoryBackend).set('a', item(1), { ttl: 10 });
    expect(cacheMap.get('a')?.value).toBe(1);
    clock.time += 10;
    expect(backend.get('a')).toBe(NO_VALUE);
  });
});

describe('arguments', () => {
  test.each([[{}], [[]], [null], ['a']])('cacheMap %j is refused', (cacheMap) => {
    expect(() => new MemoryBackend({ cacheMap: cacheMap as unknown as Map<string, CachedValue> })).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining('cacheMap') }),
    );
  });

  test('clone 1 is refused', () => {
    expect(() => new MemoryBackend({ clone: 1 as unknown as boolean })).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining('clone') }),
    );
  });
});

describe('cacheMap', () => {
  test('is the storage: both sides see what the other does', () => {
    const cacheMap = new Map<string, CachedValue>([['old', item('theirs')]]);
    const backend = new MemoryBackend({ cacheMap });
    backend.set('new', item('ours'), FOREVER);
    expect([...cacheMap.keys()]).toEqual(['old', 'new']);
    expect(backend.get('old')).toEqual(item('theirs'));
    cacheMap.delete('new');
    expect(backend.get('new')).toBe(NO_VALUE);
    backend.clear('');
    expect(cacheMap.size).toBe(0);
  });

  test("the user's own entries never end, whatever is done around them", () => {
    const clock = new TestClock();
    const cacheMap = new Map<string, CachedValue>([['mine', item(1)]]);
    const backend = new MemoryBackend({ cacheMap, clock });
    backend.set('short', item(2), { ttl: 5 });
    clock.time += 1e9;
    for (let i = 0; i < 5; i++) backend.set('other', item(3), FOREVER);
    expect([...backend.keys('')]).toEqual(['mine', 'other']);
    expect([...cacheMap.keys()]).toEqual(['mine', 'other']);
    expect(backend.compareAndSet('mine', backend.get('mine'), item(4), { ttl: undefined })).toBe(true);
    expect(backend.get('mine')).toMatchObject({ value: 4 });
  });
});

describe('values', () => {
  test('are handed out by reference, without an allocation', () => {
    const cacheMap = new Map<string, CachedValue>();
    const backend = new MemoryBackend({ cacheMap });
    const value = { n: 1 };
    const stored = item(value);
    backend.set('a', stored, FOREVER);
    expect(backend.get('a')).toBe(cacheMap.get('a'));
    expect(backend.get('a')).toMatchObject({ metadata: stored.metadata });
    expect((backend.get('a') as CachedValue).value).toBe(value);
  });

  test('are copied with clone, both ways, with their types', () => {
    const backend = new MemoryBackend({ clone: true });
    const value = { list: [1], when: new Date(5), bytes: Buffer.from('abc') };
    backend.set('a', item(value), FOREVER);
    value.list.push(2);
    const first = backend.get('a') as CachedValue<typeof value>;
    expect(first.value).toEqual({ list: [1], when: new Date(5), bytes: Buffer.from('abc') });
    expect(Buffer.isBuffer(first.value.bytes)).toBe(true);
    first.value.list.push(3);
    first.value.bytes.fill(0);
    expect(backend.get('a')).toEqual(item({ list: [1], when: new Date(5), bytes: Buffer.from('abc') }));
  });

  test('that cannot be copied are refused with the remedy, and the old one stays', () => {
    const backend = new MemoryBackend({ clone: true });
    backend.set('a', item(1), FOREVER);
    expect(() =>
      backend.set(
        'a',
        item(() => 2),
        FOREVER,
      ),
    ).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_SERIALIZATION', message: expect.stringContaining('clone off') }),
    );
    expect(backend.get('a')).toEqual(item(1));
  });

  test('compareAndSet knows an entry by its metadata, also with clone', () => {
    const backend = new MemoryBackend({ clone: true });
    backend.set('a', item({ n: 1 }), FOREVER);
    const seen = backend.get('a');
    expect(backend.compareAndSet('a', seen, item({ n: 2 }), FOREVER)).toBe(true);
    expect(backend.compareAndSet('a', seen, item({ n: 3 }), FOREVER)).toBe(false);
    expect(backend.compareAndSet('a', item({ n: 2 }), item({ n: 3 }), FOREVER)).toBe(false);
    expect(backend.get('a')).toMatchObject({ value: { n: 2 } });
  });
});

describe('time', () => {
  test('the clock is not read for a hit when now is given or the entry never ends', () => {
    const clock = new TestClock();
    const backend = new MemoryBackend({ clock });
    backend.set('mortal', item(1), { ttl: 10 });
    backend.set('immortal', item(2), FOREVER);
    const now = jest.spyOn(clock, 'now');
    expect(backend.get('mortal', START + 9)).toMatchObject({ value: 1 });
    expect(backend.get('immortal')).toMatchObject({ value: 2 });
    expect(backend.get('absent')).toBe(NO_VALUE);
    expect(now).not.toHaveBeenCalled();
    expect(backend.get('mortal')).toMatchObject({ value: 1 });
    expect(now).toHaveBeenCalledTimes(1);
    expect(backend.get('mortal', START + 10)).toBe(NO_VALUE);
  });

  test.each([START, START + 0.25, START + 500])(
    'an entry created at %d ends at its ttl after the write',
    (createdAt) => {
      const clock = new TestClock();
      const backend = new MemoryBackend({ clock });
      backend.set('a', item(1, createdAt), { ttl: 100 });
      expect(backend.get('a', START + 99.9)).toMatchObject({ value: 1 });
      expect(backend.get('a', START + 100)).toBe(NO_VALUE);
    },
  );

  test('counters and compareAndSet keep the end of an entry', () => {
    const clock = new TestClock();
    const backend = new MemoryBackend({ clock });
    backend.set('n', item(1), { ttl: 100 });
    clock.time += 50;
    expect(backend.increment('n', 2, item(2), { ttl: 100 })).toBe(3);
    expect(backend.compareAndSet('n', backend.get('n'), item(9, clock.time), { ttl: undefined })).toBe(true);
    clock.time += 50;
    expect(backend.get('n')).toBe(NO_VALUE);
  });
});

describe('what has ended is freed although nobody reads it', () => {
  test('by writes alone, each looking at two entries', () => {
    const clock = new TestClock();
    const cacheMap = new Map<string, CachedValue>();
    const backend = new MemoryBackend({ cacheMap, clock });
    for (let i = 0; i < 100; i++) backend.set(`a${i}`, item(i), { ttl: 10 });
    backend.set('other', item(0), FOREVER);
    clock.time += 10;
    backend.set('other', item(0), FOREVER);
    expect(cacheMap.size).toBe(99);
    for (let i = 0; i < 49; i++) backend.set('other', item(0), FOREVER);
    expect([...cacheMap.keys()]).toEqual(['other']);
  });

  test('by a timer, in slices, that goes away when nothing is left to wait for', () => {
    jest.useFakeTimers();
    const cacheMap = new Map<string, CachedValue>();
    const backend = new MemoryBackend({ cacheMap });
    backend.set('immortal', item(0), FOREVER);
    expect(jest.getTimerCount()).toBe(0);
    for (let i = 0; i < 2500; i++) backend.set(`a${i}`, item(i, Date.now()), { ttl: 60_000 });
    expect(jest.getTimerCount()).toBe(1);
    jest.advanceTimersByTime(59_999);
    expect(cacheMap.size).toBe(2501);
    jest.advanceTimersToNextTimer();
    expect(cacheMap.size).toBe(1502); // 1000 were looked at, 999 of them had ended
    jest.advanceTimersByTime(1000);
    expect([...cacheMap.keys()]).toEqual(['immortal']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('by a timer that waits for the earliest end, also where that was written last or during a pass', () => {
    jest.useFakeTimers();
    const cacheMap = new Map<string, CachedValue>();
    const backend = new MemoryBackend({ cacheMap });
    backend.set('late', item(0, Date.now()), { ttl: 7_200_000 });
    for (let i = 0; i < 1500; i++) backend.set(`a${i}`, item(i, Date.now()), { ttl: 1000 });
    jest.advanceTimersByTime(1000);
    expect(cacheMap.size).toBe(502);
    backend.set('late', item(0, Date.now()), { ttl: 500 }); // behind the pass
    backend.set('end', item(0, Date.now()), { ttl: 3_600_000 });
    jest.advanceTimersByTime(600);
    expect([...cacheMap.keys()]).toEqual(['end']);
    jest.advanceTimersByTime(3_600_000);
    expect(cacheMap.size).toBe(0);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('when it was in the cacheMap from an earlier backend', () => {
    jest.useFakeTimers();
    const cacheMap = new Map<string, CachedValue>();
    const earlier = new MemoryBackend({ cacheMap });
    earlier.set('a', item(1, Date.now()), { ttl: 1000 });
    earlier.close();
    expect(jest.getTimerCount()).toBe(0);
    const later = new MemoryBackend({ cacheMap });
    jest.advanceTimersByTime(1100);
    expect(cacheMap.size).toBe(0);
    later.close();
  });

  test.each([
    ['delete', (backend: MemoryBackend) => backend.delete('a')],
    ['clear', (backend: MemoryBackend) => backend.clear('')],
    ['close', (backend: MemoryBackend) => backend.close()],
  ])('no timer is left after %s', (_name, act) => {
    jest.useFakeTimers();
    const backend = new MemoryBackend();
    backend.set('a', item(1, Date.now()), { ttl: 1000 });
    act(backend);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('the timer keeps neither the process nor an abandoned backend alive', async () => {
    setFlagsFromString('--expose-gc');
    const gc: () => void = runInNewContext('gc');
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const value = ((): WeakRef<object> => {
      const abandoned = new MemoryBackend();
      const stored = { n: 1 };
      abandoned.set('a', item(stored, Date.now()), { ttl: 50_000 });
      return new WeakRef(stored);
    })();
    expect(timers).toHaveBeenCalledTimes(1);
    const timer = timers.mock.results[0]?.value as NodeJS.Timeout;
    timers.mockClear(); // a mock remembers what it was called on
    expect(timer.hasRef()).toBe(false);
    await new Promise(setImmediate); // a WeakRef holds its target until the end of the turn
    gc();
    expect(value.deref()).toBeUndefined();
    clearTimeout(timer);
  });
});

test('events tell of what happened, in order', () => {
  const backend = new MemoryBackend();
  const heard: (string | undefined)[][] = [];
  using _subscription = backend.subscribe('a', ({ type, key }: KeyEvent) => heard.push([type, key]));
  backend.set('a1', item(1), FOREVER);
  backend.set('b1', item(1), FOREVER);
  backend.increment('a1', 1, item(1), FOREVER);
  backend.compareAndSet('a1', NO_VALUE, item(1), FOREVER);
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

test('behaves like a Map of values with an end', () => {
  const key = fc.constantFrom('a1', 'a2', 'b1', 'b2', 'c');
  const ttl = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constant(Infinity));
  const prefix = fc.constantFrom('', 'a', 'b');
  const step = fc.oneof(
    fc.record({ op: fc.constant('set' as const), key, ttl }),
    fc.record({ op: fc.constant('increment' as const), key, ttl }),
    fc.record({ op: fc.constant('compareAndSet' as const), key, ttl: fc.option(ttl, { nil: undefined }) }),
    fc.record({ op: fc.constant('get' as const), key }),
    fc.record({ op: fc.constant('delete' as const), key }),
    fc.record({ op: fc.constant('keys' as const), prefix }),
    fc.record({ op: fc.constant('clear' as const), prefix }),
    fc.record({ op: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 15 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, clone) => {
      const clock = new TestClock();
      const backend = new MemoryBackend({ clock, clone });
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
          expect(found === NO_VALUE ? undefined : found.value).toBe(model.get(each.key)?.value);
        } else if (each.op === 'delete') expect(backend.delete(each.key)).toBe(model.delete(each.key));
        else {
          const old = model.get(each.key);
          const value = ++writes;
          const next = item(value, clock.time);
          const end = clock.time + (each.ttl ?? Infinity);
          if (each.op === 'increment') {
            const sum = (old?.value ?? 0) + value;
            expect(backend.increment(each.key, value, next, { ttl: each.ttl })).toBe(sum);
            model.set(each.key, { value: sum, end: old?.end ?? end });
          } else if (each.op === 'compareAndSet') {
            expect(backend.compareAndSet(each.key, item(0), next, { ttl: each.ttl })).toBe(false);
            expect(backend.compareAndSet(each.key, backend.get(each.key), next, { ttl: each.ttl })).toBe(true);
            model.set(each.key, { value, end: each.ttl === undefined ? (old?.end ?? Infinity) : end });
          } else {
            expect(backend.set(each.key, next, { ttl: each.ttl })).toBe(true);
            model.set(each.key, { value, end });
          }
        }
      }
    }),
  );
});
