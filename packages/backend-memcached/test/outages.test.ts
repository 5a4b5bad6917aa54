/** Whatever becomes of the server: settled in time, with a typed error, never another key's value, and back by itself. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type CacheMutex, createRegion, NO_VALUE } from '@stockpile/core';
import { FAULTS, FaultProxy, type RunningServer } from '@stockpile/servers';
import type { MemcachedBackend } from '../src/index.js';
import { open, standStill, start, urlOf } from './helpers.js';
import { bytesOf, failsInTime, inTime, OPERATIONS, recovery, settlesInTime, TIMEOUT, textIn } from './outcomes.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
const MOST_RECOVERY = 2000;
const KEYS = ['users:a', 'users:b', 'users:c'];

let server: RunningServer;
let proxy: FaultProxy;

beforeAll(async () => {
  server = await start();
  proxy = await FaultProxy.open(server);
});
afterEach(() => proxy.heal());
afterAll(() => proxy.close());

/** A driver that has worked already: its connection is open, its generation known. */
async function working(url: string): Promise<MemcachedBackend> {
  const driver = open({ url }, { timeout: TIMEOUT });
  await driver.setMulti(new Map(KEYS.map((key) => [key, bytesOf(key)])), FOREVER);
  return driver;
}

/** Nobody gets anything but what was stored under the key. */
async function readsOwnValues(driver: MemcachedBackend): Promise<void> {
  const reads = KEYS.map(async (key) => {
    const outcome = await inTime(`get(${key})`, () => driver.get(key));
    if (outcome.status === 'rejected' || outcome.value === NO_VALUE) return;
    expect(textIn(outcome.value)).toBe(key);
  });
  await Promise.all(reads);
}

async function servesFromCreator(driver: MemcachedBackend): Promise<void> {
  const region = createRegion<string>({ name: 'pages' }).configure(driver, { timeout: TIMEOUT });
  expect(await region.getOrCreate('home', () => 'created')).toBe('created');
  expect(await region.getOrCreateMulti(['x', 'y'], (keys) => [...keys])).toEqual(['x', 'y']);
  expect(region.stats().errors).toBeGreaterThan(0);
}

describe.each(FAULTS)('%s', (fault) => {
  test('settles everything in time with a typed error, serves creators, and is back within 2 s', async () => {
    const driver = await working(`127.0.0.1:${proxy.port}`);
    await proxy.fault(fault);
    // the first half of what is answered at once holds whole answers
    const check = fault === 'halfAnswer' || fault === 'finAfterHalf' ? settlesInTime : failsInTime;
    await Promise.all(Object.entries(OPERATIONS).map(([name, operation]) => check(name, () => operation(driver))));
    for (const [name, operation] of Object.entries(OPERATIONS)) await failsInTime(name, () => operation(driver));
    await servesFromCreator(driver);
    await readsOwnValues(driver);
    await proxy.heal();
    expect(await recovery(driver)).toBeLessThan(MOST_RECOVERY);
    await readsOwnValues(driver);
    expect(driver.servers()).toMatchObject([{ state: 'up' }]);
  });

  test('on a driver that was never connected: settles in time, and is back within 2 s', async () => {
    await proxy.fault(fault);
    const driver = open({ url: `127.0.0.1:${proxy.port}` }, { timeout: TIMEOUT });
    await Promise.all(
      Object.entries(OPERATIONS).map(([name, operation]) => failsInTime(name, () => operation(driver))),
    );
    await proxy.heal();
    expect(await recovery(driver)).toBeLessThan(MOST_RECOVERY);
  });
});

test('a server that stands still (SIGSTOP): in time, spared while it is down, back within 2 s', async () => {
  const own = await start();
  const driver = await working(urlOf(own));
  await standStill(own);
  await Promise.all(Object.entries(OPERATIONS).map(([name, operation]) => failsInTime(name, () => operation(driver))));
  expect(driver.servers()).toMatchObject([{ state: 'down' }]);
  const start_ = performance.now();
  await failsInTime('get', () => driver.get('users:a'));
  expect(performance.now() - start_).toBeLessThan(TIMEOUT / 2); // at once, not after another timeout
  await servesFromCreator(driver);
  own.resume();
  expect(await recovery(driver)).toBeLessThan(MOST_RECOVERY);
  await readsOwnValues(driver);
});

test('a server that was restarted is empty: misses, not errors, once it is known', async () => {
  const own = await start();
  const driver = await working(urlOf(own));
  await own.kill();
  await Promise.all(Object.entries(OPERATIONS).map(([name, operation]) => failsInTime(name, () => operation(driver))));
  await own.restart();
  expect(await recovery(driver)).toBeLessThan(MOST_RECOVERY);
  expect(await driver.getMulti(KEYS)).toEqual(KEYS.map(() => NO_VALUE));
});

test('a server that was restarted counts its versions anew: an old holder takes no lock for its own', async () => {
  const own = await start();
  const url = urlOf(own);
  // the same steps on an empty server give the same versions (CAS)
  const take = async (): Promise<readonly [MemcachedBackend, readonly CacheMutex[]]> => {
    const driver = open({ url }, { timeout: TIMEOUT });
    const mutexes = KEYS.map((key) => driver.getMutex(key));
    for (const mutex of mutexes) expect(await mutex.acquire({ wait: 0 })).toBe(true);
    return [driver, mutexes];
  };
  const [driver, old] = await take();
  await own.restart();
  const [, young] = await take();
  const store = (i: number): Promise<boolean> =>
    driver.set(KEYS[i] as string, bytesOf('late'), { ...FOREVER, mutex: old[i] as CacheMutex });
  expect([await store(0), await old[1]?.release(), await store(2)]).toEqual([false, false, false]);
  for (const mutex of young) expect(await mutex.release()).toBe(true);
});

test('an idle connection that the server closes is no failure: the next call connects again', async () => {
  const own = await start();
  const through = await FaultProxy.open(own);
  const driver = await working(`127.0.0.1:${through.port}`);
  await own.restart(); // its side of the idle connection ends
  while (through.connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await driver.set('users:a', bytesOf('users:a'), FOREVER)).toBe(true);
  expect(textIn(await driver.get('users:a'))).toBe('users:a');
  expect(driver.servers()).toMatchObject([{ state: 'up' }]);
  await through.close();
});

test('one of three servers is dead: its keys fail, the others are served, also in multi operations', async () => {
  const fleet = await Promise.all([start(), start(), start()]);
  const driver = open({ url: fleet.map(urlOf) }, { timeout: TIMEOUT });
  const keys = Array.from({ length: 60 }, (_, i) => `users:${i}`);
  await driver.setMulti(new Map(keys.map((key) => [key, bytesOf(key)])), FOREVER);
  await fleet[1]?.kill();
  const error = await failsInTime('getMulti', () => driver.getMulti(keys));
  const failed = new Set(error.keys);
  expect(failed.size).toBeGreaterThan(0);
  expect(failed.size).toBeLessThan(keys.length);
  for (const [i, key] of keys.entries()) {
    const found = error.found?.[i];
    if (failed.has(key)) expect(found).toBe(NO_VALUE);
    else expect(textIn(found)).toBe(key);
  }
  const items = new Map(keys.map((key) => [key, bytesOf(`${key} again`)]));
  expect(new Set((await failsInTime('setMulti', () => driver.setMulti(items, FOREVER))).keys)).toEqual(failed);
  const alive = keys.filter((key) => !failed.has(key));
  expect((await driver.getMulti(alive)).map(textIn)).toEqual(alive.map((key) => `${key} again`));
  expect(new Set((await failsInTime('deleteMulti', () => driver.deleteMulti(keys))).keys)).toEqual(failed);
  expect(await driver.getMulti(alive)).toEqual(alive.map(() => NO_VALUE));
  await failsInTime('clear', () => driver.clear('users:'));
  expect(driver.servers().map(({ state }) => state === 'up')).toEqual([true, false, true]);
  const region = createRegion<string>({ name: 'users' }).configure(driver, { timeout: TIMEOUT });
  const names = keys.map((key) => key.slice('users:'.length));
  expect(await region.getOrCreateMulti(names, (missing) => [...missing])).toEqual(names);
});

test('a connection on which replies stopped half way is given up: nothing waits on it for ever', async () => {
  const driver = await working(`127.0.0.1:${proxy.port}`);
  await proxy.fault('halfAnswer');
  const reads = Array.from({ length: 50 }, () => settlesInTime('get', () => driver.get('users:a')));
  const failed = (await Promise.all(reads)).filter((error) => error !== undefined);
  expect(failed.length).toBeGreaterThan(0);
  expect(failed.length).toBeLessThan(50);
  await new Promise((resolve) => setTimeout(resolve, TIMEOUT / 2));
  expect(proxy.connections).toBe(0); // else it would keep the process alive
});

test('close() while calls are in flight, or a connection is being made, settles them and ends in time', async () => {
  await proxy.fault('blackHole');
  const driver = open({ url: `127.0.0.1:${proxy.port}` }, { timeout: TIMEOUT });
  const call = failsInTime('get', () => driver.get('users:a'));
  await inTime('close', () => driver.close());
  await call;
  await expect(driver.get('users:a')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  await driver.close();
});

test('close() lets what is under way end', async () => {
  const driver = await working(urlOf(server));
  const reads = Promise.all(KEYS.map((key) => driver.get(key)));
  await driver.close();
  expect((await reads).map(textIn)).toEqual(KEYS);
});
