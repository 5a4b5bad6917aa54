/** Redis clusters and sentinel groups that lose a node. */

import { createConnection } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { type RunningServer, startRedisCluster, startSentinels } from '@stockpile/servers';
import { pause } from './pause.js';
import type { Stage, Trouble } from './stage.js';

/** What servers may take to elect another or to be whole again, ms. */
const PATIENCE_MS = 20_000;
const POLL_MS = 20;
/** Else the nodes that live refuse all keys as well. */
const PARTIAL_COVERAGE = ['--cluster-require-full-coverage', 'no'];

/** Three masters, of which the first has the trouble; the others go on answering for their slots. */
export async function clusterOfThree(): Promise<Stage> {
  const cluster = await startRedisCluster({ args: PARTIAL_COVERAGE });
  const [first] = cluster.nodes as [RunningServer];
  let trouble: Trouble | undefined;
  return {
    args: { cluster: cluster.nodes.map(({ port }) => `127.0.0.1:${port}`) },
    async inject(kind) {
      trouble = kind;
      if (kind === 'pause') await pause(first);
      else await first.kill();
    },
    async heal() {
      if (trouble === 'pause') first.resume();
      else await first.restart();
      // a master that comes back takes no writes for about 2 s
      for (const node of cluster.nodes) await until(() => isWhole(node));
    },
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
}

/** The first of three masters dies; it is over once its replica has taken its place. */
export async function clusterWithReplicas(): Promise<Stage> {
  const cluster = await startRedisCluster({ replicas: 1, args: PARTIAL_COVERAGE });
  const [first, , , replica, ...others] = cluster.nodes as [RunningServer, ...RunningServer[]];
  const left = cluster.nodes.filter((node) => node !== first);
  return {
    args: { cluster: cluster.nodes.map(({ port }) => `127.0.0.1:${port}`) },
    inject: () => first.kill(),
    async heal() {
      if (replica === undefined || others.length !== 2) throw new Error('there is no replica');
      await until(async () => /role:master/.test(await ask(replica, 'INFO replication')));
      for (const node of left) await until(() => isWhole(node));
    },
    [Symbol.asyncDispose]: () => cluster.stop(),
  };
}

/** The master dies; it is over once the sentinels name another. */
export async function sentinelGroup(): Promise<Stage> {
  const group = await startSentinels();
  const old = await group.master();
  return {
    args: { sentinels: group.sentinels.map(({ port }) => `127.0.0.1:${port}`), name: group.name },
    inject: () => old.kill(),
    heal: () => until(async () => (await group.master()) !== old),
    [Symbol.asyncDispose]: () => group.stop(),
  };
}

async function isWhole(node: RunningServer): Promise<boolean> {
  const info = await ask(node, 'CLUSTER INFO');
  return info.includes('cluster_state:ok') && info.includes('cluster_slots_ok:16384');
}

/** One command that is answered with a text. */
function ask({ path }: RunningServer, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let text = '';
    socket.setEncoding('latin1').setTimeout(1000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk: string) => {
      text += chunk;
      const [, length, rest = ''] = /^\$(\d+)\r\n(.*)/s.exec(text) ?? [];
      if (length === undefined || rest.length < Number(length)) return;
      resolve(rest);
      socket.destroy();
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('no answer')));
    socket.write(`${command}\r\n`);
  });
}

/** A rejection counts as "not yet". */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > end) throw new Error(`the servers are not whole after ${PATIENCE_MS} ms`);
    await after(POLL_MS);
  }
}
