/** cacheFunction: calls, and the methods that address the entry of a call. */

import { describe, expect, jest, test } from '@jest/globals';
import { createRegion, type Duration, NO_VALUE, type Region } from '@stockpile/core';
import { BACKENDS, failureOf, regionOn } from './fixtures.js';

const VALIDATION = expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' });

describe.each(BACKENDS)('a cached function over %s', (backend) => {
  test('60: same arguments, one call; other arguments, another; after expiry again', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s' });
    let calls = 0;
    const add = region.cacheFunction((a: number, b: number) => [a + b, ++calls], { name: 'add' });
    expect(await add(1, 2)).toEqual([3, 1]);
    expect(await add(1, 2)).toEqual([3, 1]);
    expect(await add(2, 1)).toEqual([3, 2]);
    clock.time += 1000;
    expect(await add(1, 2)).toEqual([3, 3]);
    expect(calls).toBe(3);
  });

  test.each([[undefined], [null], [0], [''], [false]])('60: a result of %p is cached', async (result) => {
    const { region } = regionOn(backend);
    const fn = jest.fn(() => result);
    const cached = region.cacheFunction(fn, { name: 'fn' });
    expect(await cached()).toBe(result);
    expect(await cached()).toBe(result);
    expect(await cached.get()).toBe(result);
    expect(fn).toHaveBeenCalledTimes(1);
  });

  test('61: the expirationTime of the function overrides that of the region', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: '1h' });
    const fn = jest.fn(() => 'v');
    const cached = region.cacheFunction(fn, { name: 'fn', expirationTime: '10s' });
    await cached();
    clock.time += 9_999;
    await cached();
    expect(await cached.get()).toBe('v');
    expect(await region.getEntry(cached.key())).toMatchObject({ expirationTime: 10_000 });
    expect(fn).toHaveBeenCalledTimes(1);
    clock.time += 1;
    expect(await cached.get()).toBe(NO_VALUE);
    await cached();
    expect(fn).toHaveBeenCalledTimes(2);
  });

  test('61: as a function it is evaluated for every call, with the arguments of the call', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: '1h' });
    let limit: Duration = '5s';
    const expirationTime = jest.fn((_id: number) => limit);
    const fn = jest.fn((id: number) => id);
    const cached = region.cacheFunction(fn, { name: 'fn', expirationTime });
    await cached(7);
    expect(expirationTime).toHaveBeenLastCalledWith(7);
    clock.time += 4000;
    expect(await cached.get(7)).toBe(7);
    limit = '3s';
    expect(await cached.get(7)).toBe(NO_VALUE);
    await cached(7);
    expect(fn).toHaveBeenCalledTimes(2);
    await cached.set(8, 8);
    expect(await region.getEntry(cached.key(8))).toMatchObject({ expirationTime: 3000 });
  });

  test('61: with expirationTime 0 every call creates', async () => {
    const { region } = regionOn(backend, { expirationTime: '1h' });
    let calls = 0;
    const cached = region.cacheFunction(() => ++calls, { name: 'fn', expirationTime: 0 });
    expect([await cached(), await cached(), await cached()]).toEqual([1, 2, 3]);
  });

  test('62: get, set, delete and refresh address exactly the entry of the call', async () => {
    const { region } = regionOn(backend);
    let calls = 0;
    const cached = region.cacheFunction(
      (a: number, o: object = {}, ...rest: string[]) => ({ a, o, rest, n: ++calls }),
      {
        name: 'fn',
      },
    );
    const args = [1, { y: 2, x: [3n] }, 'r', 's'] as const;
    const same = [1, { x: [3n], y: 2 }, 'r', 's'] as const;
    const others: [a: number, o?: object, ...rest: string[]][] = [
      [1, { y: 2, x: [3n] }, 'r'],
      [1, { y: 2, x: [3] }, 'r', 's'],
      [1, {}, 'r', 's'],
      [1],
    ];
    expect(await cached.get(...args)).toBe(NO_VALUE);
    expect(calls).toBe(0);
    const first = await cached(...args);
    expect(await cached.get(...same)).toEqual(first);
    for (const other of others) expect(await cached.get(...other)).toBe(NO_VALUE);
    const set = { ...first, n: 100 };
    await cached.set(set, ...same);
    expect(await cached(...args)).toEqual(set);
    expect(await region.get(cached.key(...args))).toEqual(set);
    expect(await cached.refresh(...same)).toMatchObject({ n: 2 });
    expect(await cached(...args)).toMatchObject({ n: 2 });
    for (const other of others) expect(await cached.delete(...other)).toBe(false);
    expect(await cached.delete(...same)).toBe(true);
    expect(await cached.delete(...args)).toBe(false);
    expect(await cached(...args)).toMatchObject({ n: 3 });
  });

  test('62: a default that the function fills in is not in the key: the call is as it was written', async () => {
    const { region } = regionOn(backend);
    const fn = jest.fn((a: number, b: number | undefined = 2) => a + b);
    const cached = region.cacheFunction(fn, { name: 'fn' });
    await cached(1);
    await cached(1, undefined);
    expect(fn).toHaveBeenCalledTimes(1);
    await cached(1, 2);
    expect(fn).toHaveBeenCalledTimes(2);
  });

  test('64: refresh shows the new value now and later', async () => {
    const { region } = regionOn(backend);
    let calls = 0;
    const cached = region.cacheFunction(() => ++calls, { name: 'fn' });
    await cached();
    expect(await cached.refresh()).toBe(2);
    expect(await cached()).toBe(2);
    expect(await cached.get()).toBe(2);
  });

  test('64: refresh honours shouldCache, which gets the value and the key', async () => {
    const { region } = regionOn(backend);
    let calls = 0;
    const shouldCache = jest.fn((value: number) => value < 2);
    const cached = region.cacheFunction((_id: string) => ++calls, { name: 'fn', shouldCache });
    await cached('a');
    expect(await cached.refresh('a')).toBe(2);
    expect(await cached.get('a')).toBe(1);
    expect(shouldCache.mock.calls).toEqual([
      [1, 'fn("a")'],
      [2, 'fn("a")'],
    ]);
  });

  test('64: refresh creates under the mutex', async () => {
    const { region } = regionOn(backend);
    const cached = region.cacheFunction(() => region.keyIsLocked('fn()'), { name: 'fn' });
    expect(await cached.refresh()).toBe(true);
    expect(await region.keyIsLocked('fn()')).toBe(false);
  });

  test('65: an async function caches its result, not the promise', async () => {
    const { region } = regionOn(backend);
    const cached = region.cacheFunction(async (id: number) => ({ id }), { name: 'fn' });
    await cached(1);
    expect(await region.get('fn(1)')).toEqual({ id: 1 });
    expect(region.sync.get('fn(1)')).toEqual({ id: 1 });
  });

  test('65: a rejection is passed on unchanged and not cached', async () => {
    const { region } = regionOn(backend);
    const failure = new Error('down');
    let calls = 0;
    const cached = region.cacheFunction(
      async () => {
        if (++calls === 1) throw failure;
        return 'v';
      },
      { name: 'fn' },
    );
    await expect(cached()).rejects.toBe(failure);
    expect(await cached.get()).toBe(NO_VALUE);
    expect(await cached()).toBe('v');
    const throwing = region.cacheFunction(
      () => {
        throw failure;
      },
      { name: 'throwing' },
    );
    await expect(throwing()).rejects.toBe(failure);
  });

  test('32: concurrent calls share one, other arguments do not', async () => {
    const { region } = regionOn(backend);
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const fn = jest.fn(async (id: number) => gate.then(() => id));
    const cached = region.cacheFunction(fn, { name: 'fn' });
    const calls = [1, 1, 2, 1, 2].map((id) => cached(id));
    open();
    expect(await Promise.all(calls)).toEqual([1, 1, 2, 1, 2]);
    expect(fn).toHaveBeenCalledTimes(2);
  });

  test('56: tags of the function reach the entries of calls, set and refresh', async () => {
    const { region } = regionOn(backend);
    const cached = region.cacheFunction((id: number) => id, { name: 'fn', tags: ['t'] });
    await cached(1);
    await cached.set(2, 2);
    await cached.refresh(3);
    expect([await cached.get(1), await cached.get(2), await cached.get(3)]).toEqual([1, 2, 3]);
    await region.invalidate({ tags: ['t'] });
    expect([await cached.get(1), await cached.get(2), await cached.get(3)]).toEqual([NO_VALUE, NO_VALUE, NO_VALUE]);
  });
});

describe('the option key', () => {
  test('63: replaces the arguments, in calls and in all methods', async () => {
    const { region } = regionOn('memory');
    const fn = jest.fn((_db: object, id: number) => id);
    const cached = region.cacheFunction(fn, { name: 'fn', key: (_db, id) => id });
    expect(await cached({ connection: () => {} }, 1)).toBe(1);
    expect(await cached(new Map(), 1)).toBe(1);
    expect(fn).toHaveBeenCalledTimes(1);
    expect(await cached.get({}, 1)).toBe(1);
    expect(await cached.get({}, 2)).toBe(NO_VALUE);
    await cached.set(5, {}, 2);
    expect(await cached({}, 2)).toBe(5);
    expect(await cached.delete({}, 2)).toBe(true);
    expect(cached.key({}, 1)).toBe(cached.key([], 1));
    expect(cached.key({}, 1)).not.toBe(cached.key({}, 2));
  });

  test('63: may name several parts, and parts cannot run into each other', () => {
    const { region } = regionOn('memory');
    const cached = region.cacheFunction((_a: string, _b: string) => 1, { name: 'fn', key: (a, b) => [a, b] });
    expect(cached.key('a b', 'c')).not.toBe(cached.key('a', 'b c'));
  });

  test('62: is called with the this of the call', async () => {
    const { region } = regionOn('memory');
    function load(this: { tenant: string }, id: number): string {
      return `${this.tenant}/${id}`;
    }
    const cached = region.cacheFunction(load, {
      key(this: { tenant: string }, id: number) {
        return [this.tenant, id];
      },
    });
    const [a, b] = [{ tenant: 'a' }, { tenant: 'b' }];
    expect(await cached.call(a, 1)).toBe('a/1');
    expect(await cached.call(b, 1)).toBe('b/1');
    expect(await cached.get.call(a, 1)).toBe('a/1');
    expect(await cached.get.call(b, 2)).toBe(NO_VALUE);
    expect(await cached.refresh.call(b, 2)).toBe('b/2');
    expect(await cached.delete.call(a, 1)).toBe(true);
    expect(await cached.get.call(b, 1)).toBe('b/1');
  });
});

describe('the function itself', () => {
  test('66: original is the plain function, and gets no attributes', () => {
    const { region } = regionOn('memory');
    const fn = (id: number): number => id;
    const before = Reflect.ownKeys(fn);
    const cached = region.cacheFunction(fn);
    expect(cached.original).toBe(fn);
    expect(Reflect.ownKeys(fn)).toEqual(before);
    expect(cached.original(5)).toBe(5);
  });

  test('66: name and length are preserved', () => {
    const { region } = regionOn('memory');
    function load(_a: number, _b: string, _c = 1): number {
      return 1;
    }
    const cached = region.cacheFunction(load, { name: 'other' });
    expect([cached.name, cached.length]).toEqual(['load', 2]);
    const many = region.cacheMultiFunction(function loadMany(ids: readonly number[]) {
      return [...ids];
    });
    expect([many.name, many.length]).toEqual(['loadMany', 1]);
  });

  test('66: this reaches the function, in calls and in refresh', async () => {
    const { region } = regionOn('memory');
    const counter = {
      step: 5,
      add: region.cacheFunction(function add(this: { step: number }, n: number) {
        return this.step + n;
      }),
    };
    expect(await counter.add(1)).toBe(6);
    counter.step = 10;
    expect(await counter.add(1)).toBe(6);
    expect(await counter.add.refresh.call(counter, 1)).toBe(11);
    expect(await counter.add(1)).toBe(11);
  });

  test.each([[undefined], [null], ['fn'], [{}]])('%p is no function', (fn) => {
    const region = createRegion();
    expect(() => region.cacheFunction(fn as unknown as () => number)).toThrow(VALIDATION);
    expect(() => region.cacheMultiFunction(fn as unknown as () => number[])).toThrow(VALIDATION);
  });

  test('67: a second, different function of one name is refused and asked for the option name', () => {
    const region = createRegion({ name: 'users' });
    region.cacheFunction(function load() {});
    for (const again of [
      () => region.cacheFunction(function load() {}),
      () => region.cacheFunction(() => 1, { name: 'load' }),
      () => region.cacheMultiFunction(() => [], { name: 'load' }),
    ]) {
      expect(again).toThrow(
        expect.objectContaining({
          code: 'ERR_STOCKPILE_VALIDATION',
          message: expect.stringMatching(/'load'.*'users'.*option name/),
        }),
      );
    }
  });

  test('67: the same function again, another name, namespace or region are fine', () => {
    const region: Region = createRegion();
    function load(): number {
      return 1;
    }
    const first = region.cacheFunction(load);
    expect(region.cacheFunction(load).key()).toBe(first.key());
    const other = (): number => 2;
    const keys = [
      first.key(),
      region.cacheFunction(other, { name: 'load2' }).key(),
      region.cacheFunction(other, { name: 'load', namespace: 'n' }).key(),
      region.cacheFunction(() => 3, { name: 'load', namespace: 'm' }).key(),
    ];
    expect(new Set(keys).size).toBe(4);
    expect(createRegion().cacheFunction(other, { name: 'load' }).key()).toBe(first.key());
  });

  test('67: an anonymous function is named by its text', () => {
    const region = createRegion();
    const [a, b] = [
      (
        () => (n: number) =>
          n + 1
      )(),
      (
        () => (n: number) =>
          n + 2
      )(),
    ];
    const [cachedA, cachedB] = [region.cacheFunction(a), region.cacheFunction(b)];
    expect(cachedA.key(1)).toMatch(/^anonymous-[\w-]{16}\(1\)$/);
    expect(cachedA.key(1)).not.toBe(cachedB.key(1));
    expect(
      createRegion()
        .cacheFunction(
          (
            () => (n: number) =>
              n + 1
          )(),
        )
        .key(1),
    ).toBe(cachedA.key(1));
  });

  test('62: a functionKeyGenerator of the region builds all keys', async () => {
    const fn = (id: number): number => id;
    const seen: unknown[] = [];
    const region = createRegion({
      functionKeyGenerator: (identity) => {
        seen.push(identity);
        return (...args) => `${identity.namespace}/${identity.name}/${args.join('-')}`;
      },
    }).configure('memory');
    const cached = region.cacheFunction(fn, { name: 'f', namespace: 'n' });
    expect(seen).toEqual([{ name: 'f', namespace: 'n', fn }]);
    await cached(1);
    expect(await region.get('n/f/1')).toBe(1);
    const many = region.cacheMultiFunction((ids: readonly number[]) => [...ids], { name: 'm', key: (id) => `k${id}` });
    await many([1, 2]);
    expect(await region.getMulti(['undefined/m/k1', 'undefined/m/k2'])).toEqual([1, 2]);
  });

  test('20: a key that is too long is refused with its length', async () => {
    const { region } = regionOn('memory');
    const cached = region.cacheFunction((text: string) => text.length, { name: 'fn' });
    expect((await failureOf(() => cached('x'.repeat(70_000)))).code).toBe('ERR_STOCKPILE_VALIDATION');
  });
});
