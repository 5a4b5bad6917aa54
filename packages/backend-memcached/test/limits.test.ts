/** Much at once, slow servers, and what must not pile up. */

import { beforeAll, expect, jest, test } from '@jest/globals';
import { FaultProxy, type RunningServer } from '@stockpile/servers';
import { open, start, urlOf } from './helpers.js';
import { bytesOf, counterOf, inTime, TIMEOUT } from './outcomes.js';
import { ReplyProxy } from './reply-proxy.js';

jest.setTimeout(30_000);
const FOREVER = { ttl: Number.POSITIVE_INFINITY };
const MB = 1_000_000;
let server: RunningServer;
beforeAll(async () => {
  server = await start({ args: ['-m', '1024'] });
});

test.each([
  [3000, 100_000],
  [10_000, 100],
])('a setMulti and a getMulti of %i values of %i bytes', async (count, bytes) => {
  const driver = open({ url: urlOf(server) }, { timeout: 10_000 });
  const keys = Array.from({ length: count }, (_, i) => `wide:${i}`);
  const value = new Uint8Array(bytes);
  expect(await driver.setMulti(new Map(keys.map((key) => [key, value])), FOREVER)).toEqual([]);
  const found = await driver.getMulti(keys);
  expect(found.filter((each) => (each as Uint8Array).length === bytes).length).toBe(count);
  expect(await driver.deleteMulti(keys)).toBe(count);
});

test('100 large values in one step of the program are not too many', async () => {
  const driver = open({ url: urlOf(server) }, { timeout: 10_000 });
  const value = new Uint8Array(MB);
  await Promise.all(Array.from({ length: 100 }, (_, i) => driver.set(`burst:${i}`, value, FOREVER)));
});

test('any number of increments of one counter at once', async () => {
  const driver = open({ url: urlOf(server) }, { timeout: 60_000 });
  const sums = await Promise.all(
    Array.from({ length: 130_000 }, () => driver.increment('counts:a', 1, counterOf(1), FOREVER)),
  );
  expect(new Set(sums).size).toBe(130_000);
  expect(sums.at(-1)).toBe(130_000);
}, 60_000);

test.each([true, false])(
  'what a server does not take piles up to a bound (connected: %s): beyond it calls fail at once',
  async (connected) => {
    const proxy = await FaultProxy.open(server);
    const driver = open({ url: `127.0.0.1:${proxy.port}` }, { timeout: TIMEOUT });
    if (connected) await driver.get('users:a');
    await proxy.fault('blackHole');
    const value = new Uint8Array(MB);
    const errors: unknown[] = [];
    const sets = Array.from({ length: 400 }, () =>
      driver.set('users:large', value, FOREVER).catch((error: Error) => void errors.push(error)),
    );
    await new Promise((resolve) => setImmediate(resolve));
    expect(errors.length).toBeGreaterThan(100);
    expect(errors.length).toBeLessThan(200);
    expect(errors[0]).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
    await Promise.all(sets);
    expect(errors.length).toBe(400);
    await proxy.close();
  },
);

test('operations of several steps on a slow server end within one timeout, not one for each step', async () => {
  const proxy = await ReplyProxy.open(server);
  const driver = open({ url: proxy.url }, { timeout: TIMEOUT });
  await driver.set('users:a', bytesOf('a'), FOREVER);
  proxy.delay = TIMEOUT * 0.75;
  const mutex = driver.getMutex('users:a');
  expect(await inTime('acquire', () => mutex.acquire({ wait: 0 }))).toMatchObject({ value: true });
  const late = { status: 'rejected', reason: { code: 'ERR_STOCKPILE_BACKEND_TIMEOUT' } };
  expect(await inTime('set', () => driver.set('users:a', bytesOf('b'), { ...FOREVER, mutex }))).toMatchObject(late);
  await inTime('release', () => mutex.release());
  const change = (): Promise<boolean> => driver.compareAndSet('users:a', bytesOf('a'), bytesOf('c'), FOREVER);
  await inTime('compareAndSet', change);
  expect(await inTime('increment', () => driver.increment('users:n', 1, counterOf(1), FOREVER))).toMatchObject(late);
  await proxy.close();
});

test('a timeout of Infinity is none', async () => {
  const driver = open({ url: urlOf(server) }, { timeout: Number.POSITIVE_INFINITY });
  expect(await driver.set('users:a', bytesOf('a'), FOREVER)).toBe(true);
});

test('close() twice at once waits for what is under way, and no longer', async () => {
  const proxy = await ReplyProxy.open(server);
  const driver = open({ url: proxy.url }, { timeout: 5000 });
  await driver.get('users:a');
  proxy.delay = 50;
  const reading = driver.get('users:a');
  const begun = performance.now();
  await Promise.all([driver.close(), driver.close()]);
  expect(performance.now() - begun).toBeLessThan(2500);
  await reading;
  await proxy.close();
});

test('close() lets operations of several steps end', async () => {
  const proxy = await ReplyProxy.open(server);
  const driver = open({ url: proxy.url });
  await driver.set('steps:a', bytesOf('a'), FOREVER);
  const mutex = driver.getMutex('steps:lock');
  await mutex.acquire({ wait: 0 });
  proxy.delay = 30;
  const keys = Array.from({ length: 2500 }, (_, i) => `steps:${i}`);
  const works = [
    driver.increment('steps:n', 1, counterOf(1), FOREVER),
    driver.increment('steps:n', 1, counterOf(1), FOREVER),
    driver.compareAndSet('steps:a', bytesOf('a'), bytesOf('b'), FOREVER),
    driver.set('steps:lock', bytesOf('created'), { ...FOREVER, mutex }),
    driver.setMulti(new Map(keys.map((key) => [key, bytesOf(key)])), FOREVER),
  ];
  const closing = driver.close();
  for (const refused of [driver.get('steps:a'), driver.delete('steps:a'), driver.setMulti(new Map(), FOREVER)]) {
    await expect(refused).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  }
  expect(await Promise.all(works)).toEqual([1, 2, true, true, []]);
  await closing;
  await proxy.close();
});
