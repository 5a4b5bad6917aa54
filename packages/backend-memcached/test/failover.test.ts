/** `failover`: the next server of the ring stands in, and what happens when the owner is back. */

import { beforeEach, expect, test } from '@jest/globals';
import { NO_VALUE } from '@stockpile/core';
import type { RunningServer } from '@stockpile/servers';
import type { MemcachedBackend } from '../src/index.js';
import { open, standStill, start, urlOf } from './helpers.js';
import { bytesOf, textIn } from './outcomes.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
/** Long enough for a busy machine: how long an outage takes is tested elsewhere. */
const TIMEOUT_MS = 1000;
const KEYS = Array.from({ length: 40 }, (_, i) => `users:${i}`);
let fleet: readonly [RunningServer, RunningServer, RunningServer];
let driver: MemcachedBackend;

beforeEach(async () => {
  fleet = await Promise.all([start(), start(), start()]);
  driver = open({ url: fleet.map(urlOf), failover: true }, { timeout: TIMEOUT_MS });
});

/** All keys are stored; then the first server stops, and the driver knows. The keys that it has. */
async function outage(): Promise<string[]> {
  await driver.setMulti(new Map(KEYS.map((key) => [key, bytesOf(`${key} old`)])), FOREVER);
  await standStill(fleet[0]);
  const [outcome] = await Promise.allSettled([driver.getMulti(KEYS)]);
  if (outcome.status === 'fulfilled') throw new Error('the first to meet the outage must fail');
  expect(outcome.reason.keys.length).toBeGreaterThan(0);
  return outcome.reason.keys;
}

async function back(): Promise<void> {
  fleet[0].resume();
  while (driver.servers()[0]?.state !== 'up') {
    await driver.getMulti(KEYS);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('the others serve the keys of a server that is down, in every operation', async () => {
  const moved = await outage();
  expect(await driver.getMulti(moved)).toEqual(moved.map(() => NO_VALUE));
  await driver.setMulti(new Map(moved.map((key) => [key, bytesOf(`${key} new`)])), FOREVER);
  expect((await driver.getMulti(moved)).map(textIn)).toEqual(moved.map((key) => `${key} new`));
  expect((await Promise.all(moved.map((key) => driver.get(key)))).map((found) => textIn(found))).toEqual(
    moved.map((key) => `${key} new`),
  );
  const mutex = driver.getMutex(moved[0] as string);
  expect(await mutex.acquire({ wait: 0 })).toBe(true);
  expect(await mutex.release()).toBe(true);
  expect(await driver.delete(moved[0] as string)).toBe(true);
});

test('when it is back its share of the namespaces that were used begins empty: nothing deleted comes back', async () => {
  const moved = await outage();
  await driver.deleteMulti(moved);
  await back();
  expect(await driver.getMulti(moved)).toEqual(moved.map(() => NO_VALUE));
  await driver.set(moved[0] as string, bytesOf('new'), FOREVER);
  expect(textIn(await driver.get(moved[0] as string))).toBe('new');
  // the other servers keep theirs
  const others = KEYS.filter((key) => !moved.includes(key));
  expect((await driver.getMulti(others)).map(textIn)).toEqual(others.map((key) => `${key} old`));
});

test('a namespace that was not used meanwhile is kept', async () => {
  const moved = (await outage()).map((key) => key.replace('users:', 'orders:'));
  const quiet = open({ url: fleet.map(urlOf), failover: true }, { timeout: TIMEOUT_MS });
  fleet[0].resume();
  await quiet.setMulti(new Map(moved.map((key) => [key, bytesOf(key)])), FOREVER);
  await standStill(fleet[0]);
  await driver.getMulti(KEYS);
  await back();
  expect((await driver.getMulti(moved)).map(textIn)).toEqual(moved);
});
