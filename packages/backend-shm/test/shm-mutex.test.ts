import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { Segment, ShmBackend } from '@stockpile/backend-shm';
import { type CacheMutex, createRegion, LocalLocks, NO_VALUE } from '@stockpile/core';
import { errorOf } from './helpers/errors.js';
import { closeAll, closing, freshName, openBackend } from './helpers/segments.js';

const FOREVER = { ttl: Infinity };
const BYTES = Uint8Array.of(1);

afterEach(() => {
  jest.restoreAllMocks();
  return closeAll();
});

test('those who wait get the lock in the order in which they came', async () => {
  const backend = openBackend();
  const holder = backend.getMutex('a');
  expect(holder.acquire({ wait: 0 })).toBe(true);
  const order: number[] = [];
  const waiting = Array.from({ length: 5 }, async (_, i) => {
    const mutex = backend.getMutex('a');
    expect(await mutex.acquire({ wait: 5000 })).toBe(true);
    order.push(i);
    mutex.release();
  });
  expect(backend.getMutex('a').acquire({ wait: 0 })).toBe(false);
  expect(holder.release()).toBe(true);
  await Promise.all(waiting);
  expect(order).toEqual([0, 1, 2, 3, 4]);
});

test('a waiter that gives up makes room for the next', async () => {
  const backend = openBackend();
  const holder = backend.getMutex('a');
  void holder.acquire({ wait: 0 });
  const abort = new AbortController();
  const first = backend.getMutex('a').acquire({ wait: Infinity, signal: abort.signal });
  const second = backend.getMutex('a').acquire({ wait: 20 });
  const third = backend.getMutex('a').acquire({ wait: 5000 });
  expect(await second).toBe(false);
  abort.abort();
  expect(await first).toBe(false);
  holder.release();
  expect(await third).toBe(true);
});

test('a release is passed on at once, not at the next look of the thread', async () => {
  const backend = openBackend();
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const [holder, waiter] = [backend.getMutex('a'), backend.getMutex('a')];
    void holder.acquire({ wait: 0 });
    const waiting = waiter.acquire({ wait: 5000 });
    await new Promise((resolve) => setTimeout(resolve, 3));
    const began = performance.now();
    holder.release();
    await waiting;
    times.push(performance.now() - began);
    waiter.release();
  }
  expect(times.sort((a, b) => a - b)[10]).toBeLessThan(5);
});

test('many keys can be waited for at once', async () => {
  const backend = openBackend();
  const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
  const held = keys.map((key) => {
    const mutex = backend.getMutex(key);
    expect(mutex.acquire({ wait: 0 })).toBe(true);
    return mutex;
  });
  const waiting = keys.map((key) => backend.getMutex(key).acquire({ wait: 5000 }));
  for (const mutex of held) mutex.release();
  expect(await Promise.all(waiting)).toEqual(keys.map(() => true));
});

test('a store with a fence that was lost is refused; one with a mutex of a proxy is not', () => {
  const backend = openBackend();
  const mutex = backend.getMutex('a');
  expect(backend.set('a', BYTES, { ...FOREVER, mutex })).toBe(false); // never acquired
  void mutex.acquire({ wait: 0 });
  expect(backend.set('a', BYTES, { ...FOREVER, mutex })).toBe(true);
  expect(backend.set('a', BYTES, { ...FOREVER, mutex })).toBe(true);
  expect(backend.set('a', Uint8Array.of(2), FOREVER)).toBe(true); // the user's own
  expect(backend.set('a', BYTES, { ...FOREVER, mutex })).toBe(false);
  expect(backend.get('a')).toEqual(Buffer.of(2));
  expect(backend.set('a', BYTES, { ...FOREVER, mutex: new LocalLocks().mutex('a') })).toBe(true);
});

test('clear frees the locks of the namespace', () => {
  const backend = openBackend();
  const [user, order] = [backend.getMutex('users:a'), backend.getMutex('orders:a')];
  void user.acquire({ wait: 0 });
  void order.acquire({ wait: 0 });
  backend.clear('users:');
  expect(backend.set('users:a', BYTES, { ...FOREVER, mutex: user })).toBe(false);
  expect(backend.get('users:a')).toBe(NO_VALUE);
  expect(order.release()).toBe(true);
});

describe('where more locks are wanted than the table has room for', () => {
  /** Takes locks until one is not to be had; its key. */
  function fill(backend: ShmBackend, held: CacheMutex[]): string {
    for (let i = 0; ; i++) {
      const mutex = backend.getMutex(`k${i}`);
      if (mutex.acquire({ wait: 0 }) === false) return `k${i}`;
      held.push(mutex);
    }
  }

  test('one counts as held, and is had as soon as another is freed', async () => {
    const backend = openBackend({ size: '1M' });
    const held: CacheMutex[] = [];
    const key = fill(backend, held);
    expect(held.length).toBeLessThan(1000);
    const mutex = backend.getMutex(key);
    expect([mutex.acquire({ wait: 0 }), mutex.locked(), await mutex.acquire({ wait: 30 })]).toEqual([
      false,
      false,
      false,
    ]);
    const waiting = mutex.acquire({ wait: 20_000 });
    for (const each of held) each.release();
    expect(await waiting).toBe(true);
    expect(backend.set(key, BYTES, { ...FOREVER, mutex })).toBe(true);
  });

  test('it is an error where nothing has moved for long: the holders may wait for those who wait', async () => {
    const backend = openBackend({ size: '1M' });
    const waiting = backend.getMutex(fill(backend, [])).acquire({ wait: 20_000 });
    const now = performance.now();
    jest.spyOn(performance, 'now').mockImplementation(() => now + 10_000);
    await expect(waiting).rejects.toMatchObject({
      code: 'ERR_STOCKPILE_SHM_LOCK_TABLE_FULL',
      message: expect.stringMatching(/fewer locks.*'size'/),
    });
  });

  test('for users of the engine it is an error', () => {
    const segment = closing(Segment.open({ name: freshName(), size: '1M', lifetime: 'processes' }));
    const error = errorOf(() => {
      for (let i = 0; i < 10_000; i++) expect(segment.lock(`k${i}`)).toBeGreaterThan(0);
    });
    expect(error.code).toBe('ERR_STOCKPILE_SHM_LOCK_TABLE_FULL');
  });

  test('creators wait for each other: all keys are created once and stored', async () => {
    const args = { segment: freshName(), size: '1M', meanItemBytes: 64, lifetime: 'processes' } as const;
    const region = closing(createRegion<number>({ name: 'r' }).configure('shm', { arguments: args }));
    const keys = Array.from({ length: 1000 }, (_, i) => `key${i}`);
    let created = 0;
    const create = async (): Promise<number> => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return ++created;
    };
    await Promise.all([...keys, ...keys].map((key) => region.getOrCreate(key, create)));
    expect(created).toBe(keys.length);
    expect(await region.getMulti(keys)).not.toContain(NO_VALUE);
    expect(region.stats()).toMatchObject({ errors: 0, creations: keys.length });
    await region.clear();
    const values = await region.getOrCreateMulti(keys, (missing) => missing.map(() => ++created));
    expect([values.length, created, await region.size()]).toEqual([1000, 2000, 1000]);
  });
});

test('close lets those who wait go', async () => {
  const backend = openBackend();
  void backend.getMutex('a').acquire({ wait: 0 });
  const waiting = backend.getMutex('a').acquire({ wait: Infinity });
  backend.close();
  expect(await waiting).toBe(false);
});

test('the lock of a closed backend is free for others', () => {
  const name = freshName();
  const holder = new ShmBackend({ segment: name, size: '4M', lifetime: 'boot' });
  void holder.getMutex('a').acquire({ wait: 0 });
  holder.close();
  const segment = closing(Segment.open({ name }));
  expect(segment.lock('a')).toBeGreaterThan(0);
  segment.unlink();
});
