/** `null` is a real bypass: creators run, nothing is locked or stored. */

import { describe, expect, test } from '@jest/globals';
import { createRegion, NO_VALUE, NullBackend, type Region } from '../src/index.js';

const region = (): Region => createRegion({ name: 'users' }).configure('null', { expirationTime: '1h' });

describe('a region on the null backend', () => {
  test('get() and its kin miss, also after set()', async () => {
    const users = region();
    await users.set('ada', 1);
    await users.setMulti({ grace: 2 });
    expect(await users.get('ada')).toBe(NO_VALUE);
    expect(await users.get('ada', { ignoreExpiration: true })).toBe(NO_VALUE);
    expect(await users.getEntry('ada')).toBe(NO_VALUE);
    expect(await users.getMulti(['ada', 'grace', 'ada'])).toEqual([NO_VALUE, NO_VALUE, NO_VALUE]);
  });

  test('getOrCreate() runs the creator in every call', async () => {
    const users = region();
    let created = 0;
    expect(await users.getOrCreate('ada', () => ++created)).toBe(1);
    expect(await users.getOrCreate('ada', () => ++created)).toBe(2);
    expect(users.sync.getOrCreate('ada', () => ++created)).toBe(3);
  });

  test('getOrCreate() by concurrent callers runs a creator for each, at the same time', async () => {
    const users = region();
    let running = 0;
    let open = (): void => {};
    const allRun = new Promise<void>((resolve) => {
      open = resolve;
    });
    const creator = async (): Promise<number> => {
      const own = ++running;
      if (running === 3) open();
      await allRun; // never, if one waited for another
      return own;
    };
    const results = await Promise.all([1, 2, 3].map(() => users.getOrCreate('ada', creator)));
    expect(results).toEqual([1, 2, 3]);
  });

  test('95: refresh() by concurrent callers runs a creator for each', async () => {
    const users = region();
    let created = 0;
    const creator = async (): Promise<number> => ++created;
    const results = await Promise.all([1, 2, 3].map(() => users.refresh('ada', creator)));
    expect(results.sort()).toEqual([1, 2, 3]);
  });

  test('getOrCreateMulti() runs the creator with all keys in every call', async () => {
    const users = region();
    const asked: (readonly string[])[] = [];
    const creator = (keys: readonly string[]): string[] => {
      asked.push(keys);
      return keys.map((key) => key.toUpperCase());
    };
    expect(await users.getOrCreateMulti(['b', 'a', 'b'], creator)).toEqual(['B', 'A', 'B']);
    expect(await users.getOrCreateMulti(['b', 'a'], creator)).toEqual(['B', 'A']);
    expect(asked).toEqual([
      ['b', 'a'],
      ['b', 'a'],
    ]);
  });

  test('cacheFunction() calls the function in every call', async () => {
    let calls = 0;
    const next = region().cacheFunction(function next() {
      return ++calls;
    });
    expect([await next(), await next()]).toEqual([1, 2]);
  });

  test('delete() is false and deleteMulti() 0', async () => {
    const users = region();
    await users.set('ada', 1);
    expect(await users.delete('ada')).toBe(false);
    expect(await users.deleteMulti(['ada', 'grace'])).toBe(0);
  });

  test('keys(), size() and clear() find nothing', async () => {
    const users = region();
    await users.set('ada', 1);
    expect(await users.size()).toBe(0);
    await users.clear();
    expect((await users.keys().next()).done).toBe(true);
  });

  test('keyIsLocked() is false while a creator runs', async () => {
    const users = region();
    expect(await users.getOrCreate('ada', () => users.keyIsLocked('ada'))).toBe(false);
  });
});

describe('NullBackend', () => {
  test('acquire() takes a mutex that is held', () => {
    const backend = new NullBackend();
    const [first, second] = [backend.getMutex(), backend.getMutex()];
    expect(first.acquire({ wait: 0 })).toBe(true);
    expect(second.acquire({ wait: 0 })).toBe(true);
    expect(first.locked()).toBe(false);
    expect([first.release(), second.release()]).toEqual([true, true]);
  });
});
