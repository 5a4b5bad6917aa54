/** clear, and what happens to the word that makes it: shared, evicted, overwritten, out of reach. */

import { beforeAll, expect, test } from '@jest/globals';
import { createRegion, NO_VALUE } from '@stockpile/core';
import { FaultProxy, type RunningServer } from '@stockpile/servers';
import { type MemjsClient, memjs } from '../src/memjs.js';
import { open, standStill, start, urlOf } from './helpers.js';
import { bytesOf, failsInTime, TIMEOUT, textIn } from './outcomes.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
let server: RunningServer;
beforeAll(async () => {
  server = await start();
});

const entries = (...keys: string[]): Map<string, Uint8Array> => new Map(keys.map((key) => [key, bytesOf(key)]));

async function onServer<T>(work: (client: MemjsClient) => Promise<T>): Promise<T> {
  const client = new memjs.Client([new memjs.Server(server.host, server.port)], { retries: 1 });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

test('a clear reaches every operation of another driver that knew the old generation', async () => {
  const [own, other] = [open({ url: urlOf(server) }), open({ url: urlOf(server) })];
  const old = async (): Promise<void> => {
    await own.setMulti(entries('users:a', 'users:b'), FOREVER);
    expect(await other.get('users:a')).not.toBe(NO_VALUE);
    await own.clear('users:');
  };
  await old();
  expect(await other.get('users:a')).toBe(NO_VALUE);
  await old();
  expect(await other.getMulti(['users:a', 'users:b'])).toEqual([NO_VALUE, NO_VALUE]);
  await old();
  expect(await other.delete('users:a')).toBe(false);
  await old();
  expect(await other.deleteMulti(['users:a'])).toBe(0);
  await old();
  expect(await other.compareAndSet('users:a', bytesOf('users:a'), bytesOf('x'), FOREVER)).toBe(false);
  await old();
  expect(await other.compareAndSet('users:a', NO_VALUE, bytesOf('x'), FOREVER)).toBe(true);
  await old();
  await other.setMulti(entries('users:b'), FOREVER);
  expect(textIn(await own.get('users:b'))).toBe('users:b'); // stored in the new generation
  await old();
  await other.set('users:a', bytesOf('new'), FOREVER);
  expect(textIn(await own.get('users:a'))).toBe('new');
  expect(await own.get('users:b')).toBe(NO_VALUE);
});

test('an evicted generation does not revive what was cleared, nor what was there', async () => {
  const [own, other] = [open({ url: urlOf(server) }), open({ url: urlOf(server) })];
  await own.setMulti(entries('users:a'), FOREVER);
  await own.clear('users:');
  await own.setMulti(entries('users:b'), FOREVER);
  for (let i = 0; i < 3; i++) {
    expect(await onServer((client) => client.delete('users:@'))).toBe(true);
    expect(await Promise.all([own, other].map((driver) => driver.getMulti(['users:a', 'users:b'])))).toEqual([
      [NO_VALUE, NO_VALUE],
      [NO_VALUE, NO_VALUE],
    ]);
  }
  await own.set('users:a', bytesOf('new'), FOREVER); // both go on with the same word
  expect(textIn(await other.get('users:a'))).toBe('new');
});

test('other namespaces of the server are left alone, also those of other programs', async () => {
  const driver = open({ url: urlOf(server) });
  await driver.setMulti(entries('users:a', 'orders:a', 'none'), FOREVER);
  await onServer((client) => client.set('foreign', 'value', {}));
  await driver.clear('users:');
  expect((await driver.getMulti(['users:a', 'orders:a', 'none'])).map((bytes) => bytes === NO_VALUE)).toEqual([
    true,
    false,
    false,
  ]);
  expect(String((await onServer((client) => client.get('foreign'))).value)).toBe('value');
});

test('what is no whole namespace cannot be cleared', async () => {
  const driver = open({ url: urlOf(server) });
  for (const prefix of ['', 'users', 'users:a', 'users:a:']) {
    await expect(driver.clear(prefix)).rejects.toMatchObject({ code: 'ERR_STOCKPILE_VALIDATION' });
  }
});

test('a clear that does not reach every server is an error; the namespace is empty on the others', async () => {
  const fleet = [await start(), await start()];
  const driver = open({ url: fleet.map(urlOf) }, { timeout: TIMEOUT });
  const keys = Array.from({ length: 20 }, (_, i) => `users:${i}`);
  await driver.setMulti(entries(...keys), FOREVER);
  await standStill(fleet[0] as RunningServer);
  await failsInTime('clear', () => driver.clear('users:'));
  fleet[0]?.resume();
  const region = createRegion({ name: 'users' }).configure(driver);
  const cleared = (): Promise<boolean> =>
    driver.clear('users:').then(
      () => true,
      () => false,
    );
  while (!(await cleared())) await new Promise((resolve) => setTimeout(resolve, 50)); // until it is probed
  expect((await region.getMulti(keys.map((key) => key.slice(6)))).every((value) => value === NO_VALUE)).toBe(true);
});

test('many operations at once ask for the generation once', async () => {
  const proxy = await FaultProxy.open(server);
  const driver = open({ url: `127.0.0.1:${proxy.port}` });
  await driver.get('users:00');
  const before = proxy.bytesFromClient;
  const keys = Array.from({ length: 100 }, (_, i) => `users:${String(i).padStart(2, '0')}`);
  await Promise.all(keys.map((key) => driver.get(key)));
  const header = 24;
  const entry = header + 'users:'.length + 12 + '.00'.length;
  const generation = header + 'users:@'.length;
  expect(proxy.bytesFromClient - before).toBe(100 * entry + generation);
  await proxy.close();
});

test('operations and clears at once: nobody reads what was written before a clear that had ended', async () => {
  const drivers = [open({ url: urlOf(server) }), open({ url: urlOf(server) })] as const;
  for (let round = 0; round < 30; round++) {
    await drivers[0].set('users:a', bytesOf(`${round}`), FOREVER);
    await Promise.all([drivers[0].clear('users:'), drivers[1].get('users:a'), drivers[0].get('users:a')]);
    expect(await Promise.all(drivers.map((driver) => driver.get('users:a')))).toEqual([NO_VALUE, NO_VALUE]);
  }
});
