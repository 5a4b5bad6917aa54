/** Locks: renewed while they are held, lost to deletes, sets and clears, and what is stored under them. */

import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, jest, test } from '@jest/globals';
import { type CacheMutex, createRegion, NO_VALUE } from '@stockpile/core';
import { FaultProxy, type RunningServer } from '@stockpile/servers';
import { memjs } from '../src/memjs.js';
import { open, start, urlOf } from './helpers.js';
import { bytesOf, TIMEOUT, textIn } from './outcomes.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
const KEY = 'users:a';
const NO_WAIT = { wait: 0 } as const;

jest.setTimeout(20_000);
let server: RunningServer;
beforeAll(async () => {
  server = await start();
});

function two(): readonly [ReturnType<typeof open>, ReturnType<typeof open>] {
  const url = urlOf(server);
  return [open({ url, lease: '1s' }), open({ url, lease: '1s' })];
}

/** A driver whose lock on `KEY` is held, and another one. The key has an entry, or none. */
async function held({ present = false, ttl = FOREVER.ttl } = {}): Promise<{
  readonly own: ReturnType<typeof open>;
  readonly other: ReturnType<typeof open>;
  readonly mutex: CacheMutex;
  /** What the creator does at its end. */
  readonly store: () => Promise<boolean>;
}> {
  const [own, other] = two();
  await own.clear('users:');
  if (present) await own.set(KEY, bytesOf('old'), { ttl });
  const mutex = own.getMutex(KEY);
  expect(await mutex.acquire(NO_WAIT)).toBe(true);
  return { own, other, mutex, store: () => own.set(KEY, bytesOf('created'), { ...FOREVER, mutex }) };
}

test('a lock outlives its lease while its holder lives, and is free after the release', async () => {
  const { other, mutex } = await held();
  await sleep(2200); // a lease of 1 s, and its extra second
  expect(await other.getMutex(KEY).acquire(NO_WAIT)).toBe(false);
  expect(await mutex.release()).toBe(true);
  expect(await other.getMutex(KEY).acquire(NO_WAIT)).toBe(true);
});

test('a lock ends with its lease when its holder closes', async () => {
  const { own, other } = await held();
  await own.close();
  const start_ = performance.now();
  expect(await other.getMutex(KEY).acquire({ wait: 10_000 })).toBe(true);
  expect(performance.now() - start_).toBeLessThan(4000); // lease, its extra second, one tick, one pause
});

for (const present of [true, false]) {
  const on = present ? 'an entry' : 'no entry';
  test(`a delete by another while the creator runs wins, with ${on} before`, async () => {
    const { own, other, store, mutex } = await held({ present });
    expect(await other.delete(KEY)).toBe(present);
    expect(await store()).toBe(false);
    expect(await own.get(KEY)).toBe(NO_VALUE);
    expect(await mutex.release()).toBe(false);
  });

  test(`a deleteMulti, a set, a setMulti and a clear by another win, with ${on} before`, async () => {
    for (const change of ['deleteMulti', 'set', 'setMulti', 'clear'] as const) {
      const { own, other, store } = await held({ present });
      if (change === 'deleteMulti') await other.deleteMulti([KEY]);
      else if (change === 'clear') await other.clear('users:');
      else if (change === 'set') await other.set(KEY, bytesOf('newer'), FOREVER);
      else await other.setMulti(new Map([[KEY, bytesOf('newer')]]), FOREVER);
      expect([change, await store()]).toEqual([change, false]);
      const found = await own.get(KEY);
      expect([change, found === NO_VALUE ? undefined : textIn(found)]).toEqual([
        change,
        change === 'set' || change === 'setMulti' ? 'newer' : undefined,
      ]);
    }
  });

  test(`a set by another frees the lock, with ${on} before`, async () => {
    const { other, mutex } = await held({ present });
    await other.set(KEY, bytesOf('newer'), FOREVER);
    expect(await mutex.locked()).toBe(false);
    expect(await mutex.release()).toBe(false);
  });

  test(`what another stores without taking the lock away is not overwritten, with ${on} before`, async () => {
    const { own, other, mutex, store } = await held({ present });
    expect(await other.compareAndSet(KEY, present ? bytesOf('old') : NO_VALUE, bytesOf('newer'), FOREVER)).toBe(true);
    expect(await mutex.locked()).toBe(true);
    expect(await store()).toBe(false);
    expect(textIn(await own.get(KEY))).toBe('newer');
  });

  test(`what is created is stored, again and again, with ${on} before`, async () => {
    const { own, store, mutex } = await held({ present });
    expect([await store(), await store()]).toEqual([true, true]);
    expect(textIn(await own.get(KEY))).toBe('created');
    expect(await mutex.release()).toBe(true);
  });
}

test('an entry that memcached let go while the creator ran is no reason not to store', async () => {
  const { own, store } = await held({ present: true });
  const raw = new memjs.Client([new memjs.Server(server.host, server.port)], { retries: 1 });
  expect(await raw.delete(`users:${(await raw.get('users:@')).value}.a`)).toBe(true); // as an eviction does
  raw.close();
  expect(await store()).toBe(true);
  expect(textIn(await own.get(KEY))).toBe('created');
});

test('a mutex that was never acquired, or was released, stores nothing', async () => {
  const { own, mutex, store } = await held();
  expect(await own.set(KEY, bytesOf('x'), { ...FOREVER, mutex: own.getMutex(KEY) })).toBe(false);
  await mutex.release();
  expect(await store()).toBe(false);
  expect(await own.get(KEY)).toBe(NO_VALUE);
});

test('setMulti names the keys whose lock was lost, and stores the others', async () => {
  const [own, other] = two();
  await own.clear('users:');
  const keys = ['users:a', 'users:b', 'users:c', 'users:d'];
  const mutexes = new Map(keys.slice(0, 3).map((key) => [key, own.getMutex(key)]));
  for (const mutex of mutexes.values()) await mutex.acquire(NO_WAIT);
  await other.delete('users:b');
  const items = new Map(keys.map((key) => [key, bytesOf(key)]));
  expect(await own.setMulti(items, { ...FOREVER, mutexes })).toEqual(['users:b']);
  const found = await own.getMulti(keys);
  expect(found.map((bytes) => (bytes === NO_VALUE ? '' : textIn(bytes)))).toEqual([
    'users:a',
    '',
    'users:c',
    'users:d',
  ]);
});

test('a waiter whose signal is aborted in the middle of a request leaves no lock behind', async () => {
  const [own] = two();
  await own.get(KEY);
  const abort = new AbortController();
  const waiting = own.getMutex('users:aborted').acquire({ wait: 5000, signal: abort.signal });
  abort.abort();
  expect(await waiting).toBe(false);
  expect(await own.getMutex('users:aborted').locked()).toBe(false);
});

test('a renewal that finds no server is reported, and the lock is kept if it is back in time', async () => {
  const proxy = await FaultProxy.open(server);
  const report = jest.fn();
  const driver = open({ url: `127.0.0.1:${proxy.port}`, lease: '2s' }, { timeout: TIMEOUT, report });
  const mutex = driver.getMutex('users:renewed');
  expect(await mutex.acquire(NO_WAIT)).toBe(true);
  await proxy.fault('blackHole'); // the renewal may have reached the server: its CAS is not known then
  while (report.mock.calls.length === 0) await sleep(20);
  expect(report).toHaveBeenCalledWith(
    'lock',
    expect.objectContaining({ code: expect.stringMatching(/^ERR_STOCKPILE/) }),
  );
  await proxy.heal();
  await sleep(2200); // beyond the lease that it was taken for, and its extra second
  expect(await mutex.locked()).toBe(true);
  expect(await mutex.release()).toBe(true);
  await proxy.close();
});

test('a lock that is lost does not abort the creator: its result is returned, not stored', async () => {
  const [own, other] = two();
  const region = createRegion<string>({ name: 'users' }).configure(own);
  await region.clear();
  const signals: boolean[] = [];
  const result = await region.getOrCreate('a', async ({ signal }) => {
    await other.delete(KEY);
    signals.push(signal.aborted);
    return 'late';
  });
  expect([result, signals]).toEqual(['late', [false]]);
  expect(await region.get('a')).toBe(NO_VALUE);
  expect(region.stats().superseded).toBe(1);
});
