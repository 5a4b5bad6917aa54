/** A cluster: keys by node, a node that is dead, a failover. */

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { RedisBackend } from '@stockpile/backend-redis';
import { BackendUnavailableError, createRegion, NO_VALUE } from '@stockpile/core';
import { type Cluster, startRedisCluster } from '@stockpile/servers';
import { Redis, Cluster as RedisCluster } from 'ioredis';
import { timesKey } from '../src/key-names.js';
import { slotOf } from '../src/slots.js';
import { flush } from './helpers/conformance.js';
import { entryOf, FOREVER, faulty, operations, recovery, settle, TIMEOUT, watch } from './helpers/outage.js';

const KEYS = Array.from({ length: 60 }, (_, i) => `k:${i}`);
const VALUES = new Map(KEYS.map((key) => [key, entryOf(key)]));

function nodesOf(cluster: Cluster): { cluster: string[] } {
  return { cluster: cluster.nodes.map(({ port }) => `127.0.0.1:${port}`) };
}

async function listed(driver: RedisBackend, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of driver.keys(prefix)) keys.push(key);
  return keys.sort();
}

describe('three nodes', () => {
  let cluster: Cluster;
  let driver: RedisBackend;
  let watched: ReturnType<typeof watch>;
  beforeAll(async () => {
    // with one node dead, the others go on
    cluster = await startRedisCluster({ args: ['--cluster-require-full-coverage', 'no'] });
  }, 30_000);
  afterAll(() => cluster.stop());
  beforeEach(async () => {
    watched = watch();
    await Promise.all(cluster.nodes.map(({ port }) => flush(port)));
    driver = new RedisBackend({ ...nodesOf(cluster), timeout: TIMEOUT });
  });
  afterEach(async () => {
    await driver.close();
    watched.stop();
    expect(watched.heard).toEqual([]);
  });

  test('all nodes have their share, keys() lists and clear() removes on all', async () => {
    expect(await driver.setMulti(VALUES, FOREVER)).toEqual([]);
    const sizes = await Promise.all(
      cluster.nodes.map(async ({ port }) => {
        const redis = new Redis(port);
        const size = await redis.dbsize();
        redis.disconnect();
        return size;
      }),
    );
    expect(sizes.every((size) => size > 5)).toBe(true);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(KEYS.length);
    expect(await driver.getMulti([...KEYS, 'absent'])).toEqual([...VALUES.values(), NO_VALUE]);
    expect(await listed(driver, 'k:')).toEqual([...KEYS].sort());
    expect(await driver.deleteMulti(KEYS.slice(0, 10))).toBe(10);
    await driver.clear('k:');
    expect(await listed(driver, '')).toEqual([]);
  });

  test("through the application's own Cluster client", async () => {
    const client = new RedisCluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
    const own = new RedisBackend({ client, timeout: TIMEOUT });
    await own.setMulti(VALUES, FOREVER);
    expect(await own.getMulti(KEYS)).toEqual([...VALUES.values()]);
    await own.close();
    expect(await client.get('k:0')).toBe('value of k:0');
    client.disconnect();
  });

  test('a listener that throws does not harm the others', async () => {
    const heard: unknown[] = [];
    let thrown = false;
    driver.subscribe('', () => {
      thrown = true;
      throw new Error('on purpose');
    });
    driver.subscribe('', ({ key }) => heard.push(key));
    await driver.set('a', entryOf('a'), FOREVER);
    while (heard.length === 0) await driver.get('a');
    expect([thrown, heard]).toEqual([true, ['a']]);
  });

  test('a dead node: its keys fail at once and typed, the others are served and stored', async () => {
    await driver.setMulti(VALUES, FOREVER);
    const [, dead] = cluster.nodes as [unknown, Cluster['nodes'][number]];
    const lost = await keysOn(dead.port);
    expect(lost.length).toBeGreaterThan(5);
    await dead.kill();
    try {
      const error: unknown = await driver.getMulti(KEYS).catch((failure: unknown) => failure);
      expect(error).toBeInstanceOf(BackendUnavailableError);
      expect([...((error as BackendUnavailableError).keys ?? [])].sort()).toEqual(lost);
      const found = (error as BackendUnavailableError).found ?? [];
      expect(found).toEqual(KEYS.map((key) => (lost.includes(key) ? NO_VALUE : entryOf(key))));
      const start = performance.now();
      const unset: unknown = await driver.setMulti(VALUES, FOREVER).catch((failure: unknown) => failure);
      expect([...((unset as BackendUnavailableError).keys ?? [])].sort()).toEqual(lost);
      expect(performance.now() - start).toBeLessThan(TIMEOUT);
      expect(driver.servers().filter(({ state }) => state === 'up')).toHaveLength(2);
      expect(faulty(await settle(operations(driver, 'k:')))).toEqual([]);
      const region = createRegion<string>({ name: 'k' }).configure(driver);
      const created = await region.getOrCreateMulti(['x', 'y', 'z'], (keys) => keys.map((key) => `new ${key}`));
      expect(created).toEqual(['new x', 'new y', 'new z']);
    } finally {
      await dead.restart();
    }
    await recovery(() => driver.setMulti(VALUES, FOREVER), 8000); // Redis itself keeps a node out for a while
    expect(await driver.getMulti(KEYS)).toEqual([...VALUES.values()]);
  }, 20_000);

  test('the node with the invalidation times of a region dead: the keys of the others go on', async () => {
    const node = cluster.nodes.at(-1) as Cluster['nodes'][number];
    const [name] = (await keysOn(
      node.port,
      Array.from({ length: 50 }, (_, i) => timesKey(`r${i}:`)),
    )) as [string];
    const namespace = name.slice(0, name.indexOf(':'));
    const region = createRegion<string>({ name: namespace }).configure('redis', {
      timeout: TIMEOUT,
      arguments: nodesOf(cluster),
    });
    const stored = KEYS.map((key) => `${namespace}:${key}`);
    await region.setMulti(new Map(KEYS.map((key) => [key, key])));
    await region.getMulti(KEYS);
    const lost = (await keysOn(node.port, stored)).map((key) => key.slice(key.indexOf(':') + 1));
    const others = KEYS.filter((key) => !lost.includes(key));
    await node.kill();
    try {
      await settle({ first: () => region.get(others[0] as string) });
      const outcomes = await settle(Object.fromEntries(others.map((key) => [key, () => region.get(key)])));
      expect(outcomes.filter(({ error }) => error !== undefined)).toEqual([]);
      expect(Math.max(...outcomes.map(({ ms }) => ms))).toBeLessThan(TIMEOUT);
      await region.delete(others[0] as string);
      await region.getOrCreate(others[0] as string, () => 'created');
      expect(await region.get(others[0] as string)).toBe('created'); // stored, too
      await expect(region.invalidate()).rejects.toBeInstanceOf(BackendUnavailableError);
    } finally {
      await node.restart();
    }
    await recovery(() => region.invalidate(), 8000);
    expect(await region.get(others[1] as string)).toBe(NO_VALUE);
    await region.close();
  }, 20_000);

  test('a slot on its way to another node: nothing fails, and what was stored is found', async () => {
    const [from, to] = cluster.nodes.slice(0, 2).map(({ port }) => new Redis(port)) as [Redis, Redis];
    const [tag] = (await keysOn(from.options.port as number)) as [string];
    const [stays, moves, absent] = ['stays', 'moves', 'absent'].map((key) => `{${tag}}${key}`) as [
      string,
      string,
      string,
    ];
    for (const key of [stays, moves]) await driver.set(key, entryOf(key), FOREVER);
    const slot = slotOf(tag);
    const [fromId, toId] = [await from.cluster('MYID'), await to.cluster('MYID')] as string[];
    await to.cluster('SETSLOT', slot, 'IMPORTING', fromId as string);
    await from.cluster('SETSLOT', slot, 'MIGRATING', toId as string);
    await from.migrate('127.0.0.1', to.options.port as number, moves, 0, 1000);
    const all = [stays, moves, absent, ...KEYS];
    const expected = [entryOf(stays), entryOf(moves), ...Array.from({ length: KEYS.length + 1 }, () => NO_VALUE)];
    expect(await driver.getMulti(all)).toEqual(expected);
    expect(await Promise.all(all.map((key) => driver.get(key)))).toEqual(expected);
    expect(await listed(driver, `{${tag}}`)).toEqual([moves, stays].sort());
    const mutex = driver.getMutex(absent);
    expect(await mutex.acquire({ wait: 0 })).toBe(true);
    // what needs a key and its lock has to wait until both are on one node
    const written = Promise.all([
      driver.set(stays, entryOf('new'), FOREVER),
      driver.set(absent, entryOf('made'), { ...FOREVER, mutex }),
      driver.setMulti(new Map([[moves, entryOf('new')]]), FOREVER),
    ]);
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT / 4));
    const left = await from.cluster('GETKEYSINSLOT', slot, 100);
    for (const key of left) await from.migrate('127.0.0.1', to.options.port as number, key, 0, 1000);
    for (const node of [to, from]) await node.cluster('SETSLOT', slot, 'NODE', toId as string);
    expect(await written).toEqual([true, true, []]);
    expect(await driver.getMulti([stays, moves, absent])).toEqual([entryOf('new'), entryOf('new'), entryOf('made')]);
    await driver.clear(`{${tag}}`);
    expect(await listed(driver, `{${tag}}`)).toEqual([]);
    // and back
    await from.cluster('SETSLOT', slot, 'IMPORTING', toId as string);
    await to.cluster('SETSLOT', slot, 'MIGRATING', fromId as string);
    for (const node of [from, to]) await node.cluster('SETSLOT', slot, 'NODE', fromId as string);
    await driver.set(stays, entryOf('back'), FOREVER);
    expect(await driver.get(stays)).toEqual(entryOf('back'));
    for (const node of [from, to]) node.disconnect();
  });

  test('a node that stands still: only its keys wait for the timeout', async () => {
    await driver.setMulti(VALUES, FOREVER);
    const [still] = cluster.nodes as [Cluster['nodes'][number]];
    const lost = await keysOn(still.port);
    const other = KEYS.find((key) => !lost.includes(key)) as string;
    still.pause();
    try {
      const slow = settle({ get: () => driver.get(lost[0] as string) });
      const [quick] = await settle({ get: () => driver.get(other) });
      expect(quick).toMatchObject({ error: undefined });
      expect(quick?.ms).toBeLessThan(TIMEOUT / 2);
      expect(faulty(await slow)).toEqual([]);
    } finally {
      still.resume();
    }
    await recovery(() => driver.get(lost[0] as string));
  });

  async function keysOn(port: number, keys: readonly string[] = KEYS): Promise<string[]> {
    const redis = new Redis(port);
    const slots = (await redis.cluster('SLOTS')) as unknown as [number, number, [string, number]][];
    redis.disconnect();
    return keys
      .filter((key) =>
        slots.some(([first, last, [, owner]]) => owner === port && slotOf(key) >= first && slotOf(key) <= last),
      )
      .sort();
  }
});

test('failover: within seconds writes go to the replica that took over', async () => {
  const cluster = await startRedisCluster({ replicas: 1 });
  const driver = new RedisBackend({ ...nodesOf(cluster), timeout: 1000 });
  try {
    await driver.setMulti(VALUES, FOREVER);
    await cluster.nodes[0]?.kill();
    const until = performance.now() + 10_000;
    for (;;) {
      try {
        await driver.setMulti(VALUES, FOREVER);
        break;
      } catch (error) {
        if (performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    expect(await driver.getMulti(KEYS)).toEqual([...VALUES.values()]);
  } finally {
    await driver.close();
    await cluster.stop();
  }
}, 40_000);
