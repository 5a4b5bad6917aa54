import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { ENTRY_OVERHEAD_BYTES, LruBackend, type LruOptions } from '@stockpile/backend-lru';
import { type CachedValue, createRegion, NO_VALUE } from '@stockpile/core';
import { FOREVER, item, noting, START, TestClock } from './fixtures.js';

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe('the registered name', () => {
  test('makes a backend with the arguments and the clock of the region', () => {
    const clock = new TestClock();
    const backend = createRegion({ clock }).configure('lru', { arguments: { maxItems: 1 } })
      .actualBackend as LruBackend;
    expect(backend).toBeInstanceOf(LruBackend);
    backend.set('a', item(1), FOREVER);
    backend.set('b', item(2), { ttl: 10 });
    expect(backend.get('a')).toBe(NO_VALUE);
    clock.time += 10;
    expect(backend.get('b')).toBe(NO_VALUE);
  });
});

describe('arguments', () => {
  test.each([
    ['maxItems', 0],
    ['maxItems', 1.5],
    ['maxItems', '10'],
    ['maxItems', Infinity],
    ['maxItems', 2 ** 24 + 1],
    ['maxBytes', 0],
    ['maxBytes', '12X'],
    ['defaultTtl', 0],
    ['defaultTtl', -1],
    ['onDelete', 'log'],
    ['sizeOf', 1],
    ['clone', 'yes'],
  ])('%s %p is refused', (name, value) => {
    expect(() => new LruBackend({ [name]: value } as LruOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining(name) }),
    );
  });
});

describe('bounds', () => {
  test('10,000 items where none is given', () => {
    const backend = new LruBackend();
    for (let i = 0; i < 10_001; i++) backend.set(`${i}`, item(i), FOREVER);
    expect([...backend.keys('')]).toHaveLength(10_000);
    expect(backend.get('0')).toBe(NO_VALUE);
  });

  test('maxItems evicts what was used longest ago', () => {
    const { backend, left } = noting({ maxItems: 2 });
    backend.set('a', item(1), FOREVER);
    backend.set('b', item(2), FOREVER);
    backend.get('a');
    backend.set('c', item(3), FOREVER);
    expect(left).toEqual([['b', 2, 'evict']]);
    expect([...backend.keys('')].sort()).toEqual(['a', 'c']);
  });

  test('maxBytes counts the serialised value, the bytes of the key and the overhead', () => {
    const each = ENTRY_OVERHEAD_BYTES + 1 + 2 + 10; // the tag of text, 'é', the text
    const { backend, left } = noting({ maxBytes: 2 * each });
    backend.set('é', item('0123456789'), FOREVER);
    backend.set('è', item('0123456789'), FOREVER);
    expect(left).toEqual([]);
    backend.set('è', item('0123456789+'), FOREVER);
    expect(left).toEqual([['é', '0123456789', 'evict']]);
  });

  test('maxBytes counts an overwrite by its new size', () => {
    const { backend, left } = noting({ maxBytes: 10, sizeOf: (value) => value as number });
    backend.set('a', item(8), FOREVER);
    backend.set('a', item(2), FOREVER);
    backend.set('b', item(8), FOREVER);
    expect(left).toEqual([]);
    backend.compareAndSet('b', backend.get('b'), item(9), FOREVER);
    expect(left).toEqual([['a', 2, 'evict']]);
  });

  test('what is too large is refused before anything is evicted, and the old value stays', () => {
    const { backend, left } = noting({ maxBytes: 10, sizeOf: (value) => value as number });
    backend.set('a', item(5), FOREVER);
    backend.set('b', item(5), FOREVER);
    const tooLarge = expect.objectContaining({
      code: 'ERR_STOCKPILE_VALUE_TOO_LARGE',
      message: expect.stringMatching(/11.*10.*raise maxBytes/),
    });
    expect(() => backend.set('a', item(11), FOREVER)).toThrow(tooLarge);
    expect(() => backend.compareAndSet('a', backend.get('a'), item(11), FOREVER)).toThrow(tooLarge);
    expect(() => backend.increment('a', 6, item(6), FOREVER)).toThrow(tooLarge);
    expect(backend.get('a')).toMatchObject({ value: 5 });
    expect(backend.get('b')).toMatchObject({ value: 5 });
    expect(left).toEqual([]);
  });

  test('what cannot be measured is refused, naming sizeOf; with sizeOf it is stored', () => {
    const anything = item(() => 1);
    expect(() => new LruBackend({ maxBytes: '1M' }).set('a', anything, FOREVER)).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_SERIALIZATION', message: expect.stringContaining('sizeOf') }),
    );
    const measured = new LruBackend({ maxBytes: '1M', sizeOf: () => 0.5 });
    measured.set('a', anything, FOREVER);
    expect(measured.get('a')).toMatchObject({ value: anything.value });
  });

  test.each([-1, Number.NaN, Infinity, '5', undefined])('sizeOf may not answer with %p', (size) => {
    const backend = new LruBackend({ maxBytes: 10, sizeOf: () => size as number });
    expect(() => backend.set('a', item(1), FOREVER)).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining('sizeOf') }),
    );
  });

  test('nothing is measured without maxBytes', () => {
    const sizeOf = jest.fn(() => 1);
    const backend = new LruBackend({ sizeOf });
    const value = () => 1;
    backend.set('a', item(value), FOREVER);
    expect((backend.get('a') as CachedValue).value).toBe(value);
    expect(sizeOf).not.toHaveBeenCalled();
  });
});

describe('values', () => {
  test('are handed out by reference', () => {
    const backend = new LruBackend();
    const stored = item({ n: 1 });
    backend.set('a', stored, FOREVER);
    const found = backend.get('a') as CachedValue;
    expect(found.value).toBe(stored.value);
    expect(found.metadata).toBe(stored.metadata);
    expect(backend.get('a')).toBe(found);
  });

  test('are copied with clone, both ways', () => {
    const backend = new LruBackend({ clone: true });
    const value = { list: [1], bytes: Buffer.from('abc') };
    backend.set('a', item(value), FOREVER);
    value.list.push(2);
    const first = backend.get('a') as CachedValue<typeof value>;
    first.value.list.push(3);
    first.value.bytes.fill(0);
    expect(backend.get('a')).toEqual(item({ list: [1], bytes: Buffer.from('abc') }));
    expect(backend.compareAndSet('a', first, item(1), FOREVER)).toBe(true);
  });

  test('that cannot be copied are refused with the remedy, and the old one stays', () => {
    const backend = new LruBackend({ clone: true });
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
});

describe('time', () => {
  test.each([0, START])('an entry written at %d ends exactly at its ttl', (time) => {
    const clock = new TestClock(time);
    const backend = new LruBackend({ clock });
    backend.set('a', item(1, time), { ttl: 0.5 });
    backend.set('b', item(2, time), { ttl: 2 ** 40 });
    expect(backend.get('a', time + 0.4)).toMatchObject({ value: 1 });
    expect(backend.get('a', time + 0.5)).toBe(NO_VALUE);
    clock.time += 2 ** 40 - 1;
    expect(backend.get('b')).toMatchObject({ value: 2 });
    clock.time += 1;
    expect(backend.get('b')).toBe(NO_VALUE);
  });

  test('defaultTtl is for entries without a ttl, and only for them', () => {
    const clock = new TestClock();
    const backend = new LruBackend({ clock, defaultTtl: '1s' });
    backend.set('own', item(1), { ttl: 5000 });
    backend.set('none', item(2), FOREVER);
    backend.compareAndSet('new', NO_VALUE, item(3), { ttl: undefined });
    backend.increment('n', 1, item(1), FOREVER);
    clock.time += 999;
    expect([...backend.keys('')].sort()).toEqual(['n', 'new', 'none', 'own']);
    clock.time += 1;
    expect([...backend.keys('')]).toEqual(['own']);
  });

  test('the clock is not read for a hit when now is given or the entry never ends', () => {
    const clock = new TestClock();
    const backend = new LruBackend({ clock });
    backend.set('mortal', item(1), { ttl: 10 });
    backend.set('immortal', item(2), FOREVER);
    const now = jest.spyOn(clock, 'now');
    expect(backend.get('mortal', START + 9)).toMatchObject({ value: 1 });
    expect(backend.get('immortal')).toMatchObject({ value: 2 });
    expect(now).not.toHaveBeenCalled();
  });

  test('what has ended is freed by an unref’d timer that exists only while something has an end', () => {
    jest.useFakeTimers();
    const { backend, left } = noting();
    backend.set('immortal', item(0), FOREVER);
    expect(jest.getTimerCount()).toBe(0);
    backend.set('late', item(1, Date.now()), { ttl: 90_000 });
    backend.set('soon', item(2, Date.now()), { ttl: 1000 });
    expect(jest.getTimerCount()).toBe(1);
    jest.advanceTimersByTime(1000);
    expect(left).toEqual([['soon', 2, 'expire']]);
    jest.advanceTimersByTime(90_000);
    expect(left).toEqual([
      ['soon', 2, 'expire'],
      ['late', 1, 'expire'],
    ]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test.each([
    ['delete', (backend: LruBackend) => backend.delete('a')],
    ['clear', (backend: LruBackend) => backend.clear('')],
    ['close', (backend: LruBackend) => backend.close()],
  ])('no timer is left after %s', (_name, act) => {
    jest.useFakeTimers();
    const backend = new LruBackend();
    backend.set('a', item(1, Date.now()), { ttl: 1000 });
    act(backend);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('the timer does not keep the process alive', () => {
    const timers = jest.spyOn(globalThis, 'setTimeout');
    const backend = new LruBackend();
    backend.set('a', item(1, Date.now()), { ttl: 50_000 });
    const [timer] = timers.mock.results;
    expect((timer?.value as NodeJS.Timeout | undefined)?.hasRef()).toBe(false);
    backend.close();
  });
});

describe('onDelete', () => {
  test('hears of each departure with its reason, and not of overwrites', () => {
    const clock = new TestClock();
    const { backend, left } = noting({ clock, maxItems: 3 });
    backend.set('a', item(1), FOREVER);
    backend.set('a', item(2), FOREVER);
    backend.increment('a', 1, item(0), FOREVER);
    backend.delete('a');
    backend.delete('a');
    backend.set('p1', item(4), { ttl: 5 });
    backend.set('p2', item(5), FOREVER);
    backend.set('q', item(6), { ttl: 5 });
    clock.time += 5;
    expect(backend.get('q')).toBe(NO_VALUE);
    expect(left.at(-1)).toEqual(['q', 6, 'expire']);
    backend.clear('p');
    expect(left).toEqual([
      ['a', 3, 'delete'],
      ['q', 6, 'expire'],
      ['p2', 5, 'clear'],
      ['p1', 4, 'expire'],
    ]);
  });

  test('is called once the operation is over, and may use the cache', () => {
    const seen: unknown[] = [];
    const backend: LruBackend = new LruBackend({
      maxItems: 2,
      onDelete: (key, _value, reason) => {
        seen.push([key, reason, [...backend.keys('')].sort()]);
        if (key === 'a') backend.set('of a', item(key), FOREVER);
        seen.push('done');
      },
    });
    for (const key of ['a', 'b', 'c']) backend.set(key, item(key), FOREVER);
    expect(seen).toEqual([['a', 'evict', ['b', 'c']], 'done', ['b', 'evict', ['c', 'of a']], 'done']);
  });

  test('hears of an ended counter only when the new one is stored', () => {
    const clock = new TestClock();
    const seen: unknown[] = [];
    const backend: LruBackend = new LruBackend({
      clock,
      onDelete: (key, value, reason) => {
        const found = backend.get(key);
        seen.push([value, reason, found === NO_VALUE ? undefined : found.value]);
      },
    });
    backend.set('n', item(7), { ttl: 5 });
    clock.time += 5;
    expect(backend.increment('n', 1, item(1), FOREVER)).toBe(1);
    expect(seen).toEqual([[7, 'expire', 1]]);
  });

  test('that throws becomes a warning and harms nobody', () => {
    const warnings = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const left: string[] = [];
    const backend = new LruBackend({
      maxItems: 3,
      onDelete: (key) => {
        left.push(key);
        throw new Error(`no ${key}`);
      },
    });
    for (const key of ['a', 'b', 'c', 'd']) backend.set(key, item(key), FOREVER);
    backend.clear('');
    expect(left.sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(warnings).toHaveBeenCalledTimes(4);
    expect(warnings.mock.calls[0]).toEqual([expect.stringContaining('no a'), 'StockpileWarning']);
    backend.set('e', item(5), FOREVER);
    expect(backend.get('e')).toMatchObject({ value: 5 });
  });
});

test('keys may be used and removed while they are listed', () => {
  const backend = new LruBackend();
  for (let i = 0; i < 10; i++) backend.set(`${i}`, item(i), FOREVER);
  const listed: string[] = [];
  for (const key of backend.keys('')) {
    listed.push(key);
    if (listed.length > 20) break;
    backend.get(key);
    if (Number(key) % 2) backend.delete(key);
  }
  expect(listed.sort()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
});

test('events tell of what happened, in order', () => {
  const backend = new LruBackend();
  const heard: (string | undefined)[][] = [];
  using _subscription = backend.subscribe('a', ({ type, key }) => heard.push([type, key]));
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
