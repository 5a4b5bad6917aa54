/** What happens in each failure of network and server: every operation settles in time, and all is well afterwards. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { RedisBackend } from '@stockpile/backend-redis';
import { BackendUnavailableError, createRegion, type KeyEvent, NO_VALUE } from '@stockpile/core';
import { FAULTS, FaultProxy, type RunningServer, startRedis } from '@stockpile/servers';
import { Redis } from 'ioredis';
import { entryOf, FOREVER, faulty, operations, recovery, settle, TIMEOUT, watch } from './helpers/outage.js';

let server: RunningServer;
let proxy: FaultProxy;
let driver: RedisBackend;
let watched: ReturnType<typeof watch>;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  watched = watch();
  proxy = await FaultProxy.open(server);
  driver = new RedisBackend({ port: proxy.port, timeout: TIMEOUT });
});
afterEach(async () => {
  await driver.close();
  await proxy.close();
  await new Promise((resolve) => setImmediate(resolve));
  watched.stop();
  expect(watched.heard).toEqual([]);
});

const works =
  (key = 'k:0') =>
  async (): Promise<void> => {
    await driver.set(key, entryOf(key), FOREVER);
    expect(await driver.get(key)).toEqual(entryOf(key));
  };

const KINDS = [
  ['an idle connection', true],
  ['a first call', false],
] as const;

for (const fault of FAULTS) {
  for (const [when, connects] of KINDS) {
    test(`${fault}, on ${when}: all settles in time, and works again within two seconds`, async () => {
      if (connects) await works()();
      await proxy.fault(fault);
      expect(faulty(await settle(operations(driver, 'k:')))).toEqual([]);
      expect(faulty(await settle(operations(driver, 'k:')))).toEqual([]); // known to be down, or found out now
      await proxy.heal();
      await recovery(works());
      expect(faulty(await settle(operations(driver, 'k:')))).toEqual([]);
      expect(driver.servers().map(({ state }) => state)).toEqual(['up']);
    });
  }

  test(`${fault}: getOrCreate serves from the creator, and stores again when it is over`, async () => {
    const region = createRegion<string>({ name: `of ${fault}` }).configure(driver, { timeout: TIMEOUT });
    await region.getOrCreate('before', () => 'stored');
    await proxy.fault(fault);
    const start = performance.now();
    expect(await region.getOrCreate('1', () => 'created')).toBe('created');
    expect(await region.getOrCreateMulti(['2', '3'], (keys) => keys.map((key) => `created ${key}`))).toEqual([
      'created 2',
      'created 3',
    ]);
    expect(performance.now() - start).toBeLessThan(8 * TIMEOUT);
    await proxy.heal();
    await recovery(async () => {
      await region.getOrCreate('4', () => 'created');
      expect(await region.get('4')).toBe('created');
    });
  });
}

test('a server that does not answer costs one timeout, then calls fail at once', async () => {
  await works()();
  await proxy.fault('blackHole');
  await settle({ get: () => driver.get('k:0') });
  const [outcome] = await settle({ get: () => driver.get('k:0') });
  expect(outcome?.ms).toBeLessThan(20);
  expect(driver.servers()).toMatchObject([{ server: `127.0.0.1:${proxy.port}`, state: 'down' }]);
});

for (const fault of ['fin', 'finAfterHalf', 'reset', 'garbage'] as const) {
  test(`${fault}: a server that takes connections and loses them is spared`, async () => {
    await works()();
    await proxy.fault(fault);
    const before = proxy.accepted;
    const until = performance.now() + 1000;
    while (performance.now() < until) {
      await settle({ get: () => driver.get('k:0'), set: () => driver.set('k:0', entryOf('k:0'), FOREVER) });
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(proxy.accepted - before).toBeLessThan(25);
    expect(driver.servers()).not.toMatchObject([{ state: 'up' }]);
    await proxy.heal();
    await recovery(works());
  });
}

test('a lost idle connection is made anew by the next read, which does not fail', async () => {
  await works()();
  await proxy.fault('reset');
  await proxy.heal();
  expect(await driver.get('k:0')).toEqual(entryOf('k:0')); // perhaps sent before the loss was noticed
  await works()();
});

describe('the server', () => {
  let own: RunningServer;
  beforeEach(async () => {
    own = await startRedis();
    await driver.close();
    driver = new RedisBackend({ path: own.path, timeout: TIMEOUT });
    await works()();
  });
  afterEach(() => own.stop());

  test('is stopped and goes on: calls settle in time, then work', async () => {
    own.pause();
    expect(faulty(await settle(operations(driver, 'k:')))).toEqual([]);
    own.resume();
    await recovery(works());
  });

  test('is killed and started anew, empty: scripts are sent again, and nothing is found', async () => {
    await own.kill();
    expect(faulty(await settle(operations(driver, 'k:')))).toEqual([]);
    await own.restart();
    await recovery(() => driver.get('k:0'));
    expect(await driver.get('k:0')).toBe(NO_VALUE);
    await works()();
  });

  test('has no room for another client: says so, and is spared', async () => {
    const admin = new Redis(own.path);
    await admin.config('SET', 'maxclients', 2);
    const full = new RedisBackend({ path: own.path, timeout: TIMEOUT });
    const received = async (): Promise<number> =>
      Number(/rejected_connections:(\d+)/.exec(await admin.info('stats'))?.[1]);
    const until = performance.now() + 1000;
    while (performance.now() < until) {
      await expect(full.get('k:0')).rejects.toBeInstanceOf(BackendUnavailableError);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await received()).toBeLessThan(25);
    await admin.config('SET', 'maxclients', 100);
    await recovery(() => full.get('k:0'));
    await full.close();
    admin.disconnect();
  });

  test('is restarted while somebody listens: overflow, then events again', async () => {
    const events: KeyEvent[] = [];
    driver.subscribe('k:', (event) => events.push(event));
    await works()();
    await own.kill();
    await own.restart();
    await recovery(async () => {
      if (!events.some(({ type }) => type === 'overflow')) throw new Error('no overflow');
    });
    await works('k:later')();
    await recovery(async () => {
      if (!events.some(({ key }) => key === 'k:later')) throw new Error('no event');
    });
  });
});

describe('the connection for messages', () => {
  let own: RunningServer;
  let front: FaultProxy;
  let events: KeyEvent[];
  beforeEach(async () => {
    own = await startRedis({ password: 'secret' });
    front = await FaultProxy.open(own);
    await driver.close();
    driver = new RedisBackend({ port: front.port, password: 'secret', timeout: TIMEOUT });
    events = [];
  });
  afterEach(async () => {
    await front.close();
    await own.stop();
  });
  const hears = async (): Promise<void> => {
    await driver.set('k:0', entryOf('k:0'), FOREVER);
    if (!events.some(({ type }) => type === 'set')) throw new Error('no event');
  };

  test('is made anew without a storm where the server ends it again and again', async () => {
    driver.subscribe('k:', (event) => events.push(event));
    await recovery(hears);
    const admin = new Redis(own.path, { password: 'secret' });
    const before = front.accepted;
    const until = performance.now() + 1000;
    while (performance.now() < until) await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    expect(front.accepted - before).toBeLessThan(25);
    events = [];
    await recovery(hears);
    admin.disconnect();
  });

  test('leaves none behind that came too late', async () => {
    await front.fault('blackHole');
    driver.subscribe('k:', (event) => events.push(event));
    while (front.accepted < 2) await new Promise((resolve) => setTimeout(resolve, 10));
    await front.heal();
    await recovery(hears);
    await recovery(async () => expect(front.connections).toBe(2)); // one for commands
  });
});

test('close() while the server is silent is bounded, and calls are refused at once', async () => {
  await works()();
  await proxy.fault('blackHole');
  const pending = settle({ get: () => driver.get('k:0') });
  const start = performance.now();
  await driver.close();
  expect(performance.now() - start).toBeLessThan(TIMEOUT + 100);
  await pending;
  await expect(driver.get('k:0')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
});
