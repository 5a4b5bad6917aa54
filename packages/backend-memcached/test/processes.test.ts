/** Processes that share nothing but memcached: one creator for a key, also when the holder dies or stands still. */

import { afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { killPeers, Peer, type RunningServer } from '@stockpile/servers';
import { open, start, urlOf } from './helpers.js';

const PEERS = 4;
const LEASE = { lease: '1s' };

jest.setTimeout(30_000);
let server: RunningServer;
beforeAll(async () => {
  server = await start();
});

afterEach(killPeers);

const PEER = new URL('./fixtures/peer.mjs', import.meta.url);

async function peers(count: number, options: object = {}): Promise<Peer[]> {
  const started = await Promise.all(Array.from({ length: count }, () => Peer.start(PEER)));
  await Promise.all(started.map((peer) => peer.call('open', urlOf(server), options)));
  return started;
}

function here(options: object = LEASE): Region {
  return createRegion({ name: 'shared' }).configure(open({ url: urlOf(server), ...options }));
}

test('one creator call for each key, whichever process asks', async () => {
  const all = await peers(PEERS);
  const region = here();
  for (const key of ['a', 'b', 'c d', 'k'.repeat(300)]) {
    const found = await Promise.all(all.map((peer) => peer.call('create', key, 100)));
    expect(new Set(found).size).toBe(1);
    expect(await region.get(`${key} created`)).toBe(1);
  }
});

test('a holder that is killed: another takes over after the lease', async () => {
  const [holder, other] = (await peers(2, LEASE)) as [Peer, Peer];
  const lost = holder.call('hold', 'killed', 'late').catch(() => 'gone');
  await holder.began('killed');
  const start_ = performance.now();
  const waiting = other.call('create', 'killed', 0);
  await holder.kill();
  expect(await waiting).toMatch(/^by \d+$/);
  const took = performance.now() - start_;
  expect(took).toBeGreaterThan(500); // while the lease ran, nobody else created
  expect(took).toBeLessThan(5000);
  expect(await lost).toBe('gone');
});

test('a holder that stands still beyond its lease (SIGSTOP): its late result is not stored', async () => {
  const [holder, other] = (await peers(2, LEASE)) as [Peer, Peer];
  const late = holder.call('hold', 'paused', 'late');
  await holder.began('paused');
  holder.signal('SIGSTOP');
  const taken = await other.call('create', 'paused', 0);
  expect(taken).toMatch(/^by \d+$/);
  holder.signal('SIGCONT');
  await holder.call('release');
  expect(await late).toBe('late'); // its own caller gets it
  expect(await here().get('paused')).toBe(taken);
  expect(await holder.call('superseded')).toBe(1);
});

test('a holder that stands still, and a delete meanwhile: nothing is stored', async () => {
  const [holder] = (await peers(1, LEASE)) as [Peer];
  const late = holder.call('hold', 'deleted', 'late');
  await holder.began('deleted');
  holder.signal('SIGSTOP');
  await here().delete('deleted');
  holder.signal('SIGCONT');
  await holder.call('release');
  expect(await late).toBe('late');
  expect(await here().get('deleted')).toBe(NO_VALUE);
});

test.each(['increment', 'count'])('counters of many processes add up (%s)', async (how) => {
  const times = 150;
  const all = await peers(PEERS);
  const region = here();
  const before = (await region.get(how)) === NO_VALUE ? 0 : Number(await region.get(how));
  await Promise.all(all.map((peer) => peer.call(how, how, times)));
  expect(await region.get(how)).toBe(before + PEERS * times);
});

test.each([true, false])('a process ends by itself, with close() (%s), and prints nothing', async (close) => {
  const [peer] = (await peers(1)) as [Peer];
  await peer.call('create', `exit ${close}`, 0);
  expect(await peer.leave('leave', close)).toBe(0);
  expect(peer.output).toBe('');
});
