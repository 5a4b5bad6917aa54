/** cacheMultiFunction: one entry for each element. */

import { describe, expect, jest, test } from '@jest/globals';
import { NO_VALUE } from '@stockpile/core';
import { BACKENDS, failureOf, regionOn } from './fixtures.js';

describe.each(BACKENDS)('a cached function of many over %s', (backend) => {
  const square = (ids: readonly number[]): number[] => ids.map((id) => id * id);

  test('68: only what is missing is created, in request order', async () => {
    const { region } = regionOn(backend);
    const fn = jest.fn(square);
    const squares = region.cacheMultiFunction(fn, { name: 'squares' });
    expect(await squares([2, 8, 10])).toEqual([4, 64, 100]);
    expect(await squares([2, 9, 10])).toEqual([4, 81, 100]);
    expect(await squares([9, 3, 2, 1, 3])).toEqual([81, 9, 4, 1, 9]);
    expect(await squares([])).toEqual([]);
    expect(fn.mock.calls).toEqual([[[2, 8, 10]], [[9]], [[3, 1]]]);
  });

  test('68: a Map by element, or an object by its text, is as good an answer as an array', async () => {
    const { region } = regionOn(backend);
    const byMap = region.cacheMultiFunction(
      (ids: readonly number[]) => new Map(ids.map((id) => [id as unknown as string, id * id] as const).reverse()),
      { name: 'map' },
    );
    const byObject = region.cacheMultiFunction(
      (ids: readonly number[]) => Object.fromEntries([...ids, 99].map((id) => [id, id * id])),
      { name: 'object' },
    );
    const later = region.cacheMultiFunction(async (ids: readonly number[]) => square(ids), { name: 'later' });
    for (const cached of [byMap, byObject, later]) {
      expect(await cached([3, 1, 2])).toEqual([9, 1, 4]);
      expect(await cached([1, 3])).toEqual([1, 9]);
      expect(await cached.get([3, 1, 2, 99])).toEqual([9, 1, 4, NO_VALUE]);
    }
  });

  test.each<[string, (ids: readonly number[]) => unknown]>([
    ['an array that is too short', (ids) => square(ids).slice(1)],
    ['an array that is too long', (ids) => [...square(ids), 1]],
    ['an array with a hole', (ids) => Object.assign([], { [ids.length - 1]: 1 })],
    ['a Map that lacks one', () => new Map([[1, 1]])],
    ['an object that lacks one', () => ({ 1: 1 })],
    ['nothing', () => undefined],
  ])('51: %s is refused and nothing is stored', async (_what, answer) => {
    const { region } = regionOn(backend);
    const cached = region.cacheMultiFunction(answer as (ids: readonly number[]) => number[], { name: 'fn' });
    expect((await failureOf(() => cached([1, 2]))).code).toBe('ERR_STOCKPILE_VALIDATION');
    expect(await cached.get([1, 2])).toEqual([NO_VALUE, NO_VALUE]);
    expect(await region.keyIsLocked(cached.key(1))).toBe(false);
  });

  test('68: get answers with NO_VALUE in the holes, and never creates', async () => {
    const { region } = regionOn(backend);
    const fn = jest.fn(square);
    const squares = region.cacheMultiFunction(fn, { name: 'squares' });
    await squares([2]);
    expect(await squares.get([1, 2, 3, 2])).toEqual([NO_VALUE, 4, NO_VALUE, 4]);
    expect(fn).toHaveBeenCalledTimes(1);
  });

  test('68: set stores values by element, delete counts, key is the key of one element', async () => {
    const { region } = regionOn(backend);
    const fn = jest.fn(square);
    const squares = region.cacheMultiFunction(fn, { name: 'squares', tags: ['t'] });
    await squares.set([-1, -2], [1, 2]);
    expect(await squares([2, 1])).toEqual([-2, -1]);
    expect(await region.get(squares.key(1))).toBe(-1);
    expect(fn).not.toHaveBeenCalled();
    expect(await squares.delete([1, 3])).toBe(1);
    expect(await squares.get([1, 2])).toEqual([NO_VALUE, -2]);
    expect((await failureOf(() => squares.set([1], [1, 2]))).code).toBe('ERR_STOCKPILE_VALIDATION');
    await region.invalidate({ tags: ['t'] });
    expect(await squares.get([2])).toEqual([NO_VALUE]);
  });

  test('68: refresh creates anew whatever is stored, aligned with the elements', async () => {
    const { region } = regionOn(backend);
    let factor = 1;
    const times = region.cacheMultiFunction((ids: readonly number[]) => ids.map((id) => id * factor), {
      name: 'times',
    });
    await times([1, 2, 3]);
    factor = 10;
    expect(await times.refresh([3, 1])).toEqual([30, 10]);
    expect(await times([1, 2, 3])).toEqual([10, 2, 30]);
  });

  test('68: original is the plain function', async () => {
    const { region } = regionOn(backend);
    const squares = region.cacheMultiFunction(square);
    expect(squares.original).toBe(square);
    expect(squares.original([3])).toEqual([9]);
  });

  test('68: methods work, the key option tells instances apart', async () => {
    const { region } = regionOn(backend);
    const load = region.cacheMultiFunction(
      function load(this: { tenant: string }, ids: readonly number[]) {
        return ids.map((id) => `${this.tenant}${id}`);
      },
      {
        key(this: { tenant: string }, id: number) {
          return [this.tenant, id];
        },
      },
    );
    const [a, b] = [
      { tenant: 'a', load },
      { tenant: 'b', load },
    ];
    expect(await a.load([1, 2])).toEqual(['a1', 'a2']);
    expect(await b.load([2, 1])).toEqual(['b2', 'b1']);
    expect(await load.get.call(a, [2, 1])).toEqual(['a2', 'a1']);
    expect(await load.refresh.call(b, [1])).toEqual(['b1']);
    expect(await load.delete.call(a, [1, 2])).toBe(2);
    expect(await load.get.call(b, [1, 2])).toEqual(['b1', 'b2']);
  });

  test('68: elements that are objects are paired with their own values', async () => {
    const { region } = regionOn(backend);
    const sums = region.cacheMultiFunction(
      (pairs: readonly { a: number; b: number }[]) => pairs.map(({ a, b }) => a + b),
      { name: 'sums' },
    );
    expect(
      await sums([
        { a: 1, b: 2 },
        { b: 2, a: 1 },
        { a: 5, b: 5 },
      ]),
    ).toEqual([3, 3, 10]);
    expect(await sums.get([{ b: 5, a: 5 }])).toEqual([10]);
  });

  test('61: expirationTime holds for all of its entries', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: '1h' });
    const fn = jest.fn(square);
    const squares = region.cacheMultiFunction(fn, { name: 'squares', expirationTime: '10s' });
    await squares([1, 2]);
    clock.time += 9_999;
    await squares([1, 2]);
    expect(fn).toHaveBeenCalledTimes(1);
    clock.time += 1;
    expect(await squares.get([1])).toEqual([NO_VALUE]);
    await squares([1, 2]);
    expect(fn).toHaveBeenCalledTimes(2);
  });

  test('38: shouldCache is asked for each value', async () => {
    const { region } = regionOn(backend);
    const squares = region.cacheMultiFunction(square, { name: 'squares', shouldCache: (value) => value > 1 });
    expect(await squares([1, 2])).toEqual([1, 4]);
    expect(await squares.get([1, 2])).toEqual([NO_VALUE, 4]);
  });
});
