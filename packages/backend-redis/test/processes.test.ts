/** What holds between processes that share nothing but Redis. */

import { afterAll, afterEach, beforeAll, beforeEach, expect, jest, test } from '@jest/globals';
import '@stockpile/backend-redis';
import { createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { killPeers, Peer, type RunningServer, startRedis } from '@stockpile/servers';
import { flush } from './helpers/conformance.js';

jest.setTimeout(20_000); // processes start slowly on a busy machine
const LEASE = 600;
const PEER = new URL('./fixtures/peer.mjs', import.meta.url);

let server: RunningServer;
let region: Region;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await flush(server.port);
  region = createRegion({ name: 'shared' }).configure('redis', { arguments: { port: server.port } });
});
afterEach(async () => {
  await killPeers();
  await region.close();
});

async function peers(count: number): Promise<Peer[]> {
  const started = await Promise.all(Array.from({ length: count }, () => Peer.start(PEER)));
  await Promise.all(started.map((peer) => peer.call('open', { port: server.port, lease: LEASE })));
  return started;
}

test('one creator call per key for all processes', async () => {
  const all = await peers(4);
  for (let key = 0; key < 10; key++) {
    const values = await Promise.all(all.map((peer, i) => peer.call('quickly', `k${key}`, i)));
    expect(new Set(values).size).toBe(1);
  }
  const created = (await Promise.all(all.map((peer) => peer.call('created')))) as number[];
  expect(created.reduce((sum, n) => sum + n)).toBe(10);
});

test('a holder that is killed is followed after its lease, not before', async () => {
  const [holder] = (await peers(1)) as [Peer];
  const lost = holder.call('create', 'a', 'never').catch(() => {});
  await holder.began('a');
  const killed = performance.now();
  await holder.kill();
  await lost;
  expect(await region.getOrCreate('a', () => 'next')).toBe('next');
  const took = performance.now() - killed;
  expect(took).toBeGreaterThan(LEASE / 2); // two thirds of it at least were left
  expect(took).toBeLessThan(LEASE + 1000);
  expect(await region.get('a')).toBe('next');
});

test('a holder that lives keeps its lock beyond the lease', async () => {
  const [holder] = (await peers(1)) as [Peer];
  const theirs = holder.call('create', 'a', 'theirs');
  await holder.began('a');
  const ours = region.getOrCreate('a', () => 'ours');
  await new Promise((resolve) => setTimeout(resolve, 2.5 * LEASE));
  expect(await region.keyIsLocked('a')).toBe(true);
  await holder.call('release');
  expect(await theirs).toBe('theirs');
  expect(await ours).toBe('theirs');
});

test('a holder that stands still beyond its lease stores nothing when it goes on', async () => {
  const [holder] = (await peers(1)) as [Peer];
  const theirs = holder.call('create', 'a', 'late');
  await holder.began('a');
  holder.signal('SIGSTOP');
  expect(await region.getOrCreate('a', () => 'ours')).toBe('ours');
  holder.signal('SIGCONT');
  await holder.call('release');
  expect(await theirs).toBe('late'); // its callers get their value
  expect(await region.get('a')).toBe('ours');
  expect(await holder.call('superseded')).toBe(1);
});

test('delete, set, clear and invalidate of one process win over a creator that runs in another', async () => {
  const writes: Record<string, () => Promise<unknown>> = {
    delete: () => region.delete('a'),
    set: () => region.set('a', 'set'),
    clear: () => region.clear(),
    invalidate: () => region.invalidate(),
  };
  for (const [name, write] of Object.entries(writes)) {
    const [creator] = (await peers(1)) as [Peer];
    const theirs = creator.call('create', 'a', 'outdated');
    await creator.began('a');
    await write();
    await creator.call('release');
    expect([name, await theirs]).toEqual([name, 'outdated']);
    expect([name, await region.get('a')]).toEqual([name, name === 'set' ? 'set' : NO_VALUE]);
    await region.delete('a');
  }
});

test('invalidate() of one process is heard by the others', async () => {
  const [one, other] = (await peers(2)) as [Peer, Peer];
  for (let round = 0; round < 5; round++) {
    await one.call('set', 'a', round);
    expect(await other.call('get', 'a')).toBe(round);
    await region.invalidate(round % 2 === 0 ? {} : { hard: false });
    // the message is on its way to both; who has not heard it may date a write before it
    for (const process of [one, other]) while ((await process.call('get', 'a')) !== 'NO_VALUE');
  }
});
