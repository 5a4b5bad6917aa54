import { afterEach, expect, test } from '@jest/globals';
import { Segment, ShmBackend } from '@stockpile/backend-shm';
import { LocalLocks, NO_VALUE } from '@stockpile/core';
import { errorOf } from './helpers/errors.js';
import { closeAll, closing, freshName, openBackend } from './helpers/segments.js';

const FOREVER = { ttl: Infinity };
const BYTES = Uint8Array.of(1);

afterEach(closeAll);

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

test('more locks than the table has room for are an error, and no shared lock', () => {
  const backend = openBackend({ size: '2M' });
  const error = errorOf(() => {
    for (let i = 0; i < 10_000; i++) expect(backend.getMutex(`k${i}`).acquire({ wait: 0 })).toBe(true);
  });
  expect(error.code).toBe('ERR_STOCKPILE_SHM_LOCK_TABLE_FULL');
  expect(error.message).toMatch(/fewer locks.*'size'/);
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
