/** Redis as a cluster and under sentinels: complete when started, and a replica takes over from a master that is gone. */

import { once } from 'node:events';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { type RunningServer, startRedisCluster, startSentinels } from '@stockpile/servers';

const groups: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(groups.splice(0).map((group) => group.stop()));
});

async function start<G extends { stop(): Promise<void> }>(group: Promise<G>): Promise<G> {
  groups.push(await group);
  return group;
}

/** What a server says to a short command. */
async function say({ path }: RunningServer, command: string): Promise<string> {
  const socket = createConnection(path);
  try {
    socket.write(`${command}\r\n`);
    return String((await once(socket, 'data', { signal: AbortSignal.timeout(2000) }))[0]);
  } finally {
    socket.destroy();
  }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !(await condition().catch(() => false)); await sleep(20)) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${condition}`);
  }
}

test('every node of a cluster serves its slots and names the owners of the others', async () => {
  const { nodes } = await start(startRedisCluster());
  expect(nodes).toHaveLength(3);
  const keys = Array.from({ length: 60 }, (_, i) => `key-${i}`);
  const ports = nodes.map(({ port }) => String(port));
  const owners = new Set<string>();
  for (const key of keys) {
    const replies = await Promise.all(nodes.map((node) => say(node, `SET ${key} 1`)));
    const moved = replies.flatMap((reply) => /^-MOVED \d+ 127\.0\.0\.1:(\d+)/.exec(reply)?.[1] ?? []);
    const owner = ports[replies.indexOf('+OK\r\n')];
    expect(moved).toEqual([owner, owner].map(() => moved[0]));
    expect(moved[0]).toBe(owner);
    owners.add(owner ?? '');
  }
  expect([...owners].sort()).toEqual([...ports].sort());
  expect(await say(nodes[0] as RunningServer, 'CLUSTER INFO')).toContain('cluster_slots_ok:16384');
}, 60_000);

test('a replica in a cluster takes over when its master is killed', async () => {
  const { nodes } = await start(startRedisCluster({ replicas: 1 }));
  expect(nodes).toHaveLength(6);
  const [first, second, , replica] = nodes as [RunningServer, RunningServer, RunningServer, RunningServer];
  expect(await say(replica, 'ROLE')).toContain(`:${first.port}\r\n`);
  await first.kill();
  await until(async () => (await say(replica, 'ROLE')).includes('master'));
  await until(async () => (await say(second, 'CLUSTER INFO')).includes('cluster_state:ok'));
  await first.restart();
  await until(async () => (await say(first, 'ROLE')).includes('slave'));
}, 60_000);

test('sentinels promote the replica when the master is killed, and take the old one back as its replica', async () => {
  const { name, sentinels, redis, master } = await start(startSentinels());
  const [first, second] = redis as [RunningServer, RunningServer];
  expect([name, sentinels.length, redis.length]).toEqual(['stockpile', 3, 2]);
  expect(await master()).toBe(first);
  expect(await say(second, 'SET key 1')).toMatch(/^-READONLY/);
  await first.kill();
  await until(async () => (await master()) === second);
  expect(await say(second, 'SET key 1')).toBe('+OK\r\n');
  await first.restart();
  await until(
    async () => (await say(first, 'ROLE')).includes('slave') && (await say(first, 'GET key')) === '$1\r\n1\r\n',
  );
}, 60_000);
