/** One creator across hosts: processes that share only a server, some of them killed or stopped while they create. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMemcached, startRedis } from '@stockpile/servers';
import type { Experiment } from '../experiment.js';
import { type Disturbance, Herd, type HerdResult } from '../outages/herd.js';
import type { HostsTask } from '../outages/hosts-task.js';
import { whyNoServers } from '../outages/servers.js';
import { Findings } from '../processes/findings.js';
import { Scene } from '../processes/scene.js';

const PROCESSES = 6;
const KEYS = 30;
const CREATION_MS: readonly [number, number] = [60, 160];
/**
 * ms: the lease, longer than a process waits for a cpu on a busy machine; and how long the lock of a dead process lasts
 * at most. The clock of memcached ticks once a second.
 */
const LIMITS = { redis: { lease: 1500, lasts: 1500 }, memcached: { lease: 2000, lasts: 3000 } };
/** ms until others notice, and again on a busy machine. */
const [NOTICED_MS, MARGIN_MS] = [300, 700];
const TRIES = 3;
const NAMES: Readonly<Record<Disturbance, string>> = {
  none: 'calm',
  kill: 'SIGKILL',
  stop: 'SIGSTOP',
  delete: 'deleted',
};
const ROUNDS = Object.keys(NAMES) as Disturbance[];

interface Sums {
  keys: number;
  creations: number;
  storedTwice: number;
  refused: number;
  readonly takeovers: number[];
}

export const experiment: Experiment = {
  name: 'hosts',
  describe: 'processes that share only redis or memcached, holders killed and stopped: one creator per key',
  onServers: true,
  async run({ short, log }) {
    const findings = new Findings(log);
    const missing = await whyNoServers();
    if (missing !== undefined) {
      findings.skip('herds', missing);
      return findings.outcome('');
    }
    const rounds = short ? 1 : 15;
    const backends = ['redis', 'memcached'] as const;
    const rows = await Promise.all(backends.map((backend) => herds(findings, backend, rounds)));
    const injected = `${PROCESSES} processes want ${KEYS} keys at once, ${rounds * ROUNDS.length} times per server, with SIGKILL, SIGSTOP and delete`;
    const head = '| shared | keys | creators | stored twice | taken over after SIGKILL | late results refused |';
    return { ...findings.outcome(injected), table: [head, '|---|---|---|---|---|---|', ...rows] };
  },
};

async function herds(findings: Findings, backend: HostsTask['backend'], rounds: number): Promise<string> {
  const server = await (backend === 'redis' ? startRedis() : startMemcached());
  const folder = mkdtempSync(join(tmpdir(), 'stockpile-lab-'));
  try {
    await using scene = new Scene();
    const { port } = server;
    const args = backend === 'redis' ? { host: '127.0.0.1', port } : { url: `127.0.0.1:${port}` };
    const { lease, lasts } = LIMITS[backend];
    const task: HostsTask = { backend, args, lease, creation: CREATION_MS, notes: join(folder, 'notes') };
    const herd = new Herd(scene, task, PROCESSES, KEYS, lasts + NOTICED_MS + CREATION_MS[1] + 200);
    const sums: Sums = { keys: 0, creations: 0, storedTwice: 0, refused: 0, takeovers: [] };
    for (let i = 0; i < rounds; i++) {
      for (const disturbance of ROUNDS) {
        // a creation that ends just then is not cut off
        for (let tries = 0, cutOff = 0; cutOff === 0 && tries < TRIES; tries++) {
          const result = await herd.round(disturbance);
          judge(findings, backend, disturbance, result, sums);
          cutOff = disturbance === 'none' ? KEYS : result.cutOff;
        }
      }
    }
    return summary(findings, backend, sums);
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await server.stop();
  }
}

function judge(
  findings: Findings,
  backend: HostsTask['backend'],
  disturbance: Disturbance,
  { round, creations, cutOff, answers, at }: HerdResult,
  sums: Sums,
): void {
  const name = `${backend}, ${NAMES[disturbance]}`;
  const none = (what: string, keys: readonly string[]): void =>
    findings.check(`${name}: ${what}`, keys.length === 0, keys.join(', '));
  sums.keys += KEYS;
  sums.creations += creations;
  findings.note(`${name}: ${creations} creations, ${cutOff} of them cut off`);
  none('no damaged value', round.damaged());
  none('nothing is stored of a creator that was cut off', round.outdated());
  if (disturbance === 'stop') sums.refused += round.refused();
  if (disturbance === 'kill') sums.takeovers.push(...round.takeovers(at));
  if (disturbance === 'delete') return; // who had waited may create anew
  sums.storedTwice += round.storedTwice().length;
  none('one creator per key', round.createdTwice());
  none('one stored value per key', round.storedTwice());
  none('a stored value for each key', round.neverStored());
  none('everybody has what is stored', round.differing(answers));
}

function summary(findings: Findings, backend: HostsTask['backend'], sums: Sums): string {
  const { keys, creations, storedTwice, refused, takeovers } = sums;
  const longest = Math.max(0, ...takeovers);
  const limit = LIMITS[backend].lasts + NOTICED_MS + MARGIN_MS;
  findings.check(`${backend}: others take over within ${limit} ms`, longest <= limit, `${longest.toFixed(0)} ms`);
  findings.check(`${backend}: keys were taken over`, takeovers.length > 0, takeovers.length);
  findings.check(`${backend}: late results were refused`, refused > 0, refused);
  const [least, most] = [Math.min(...takeovers), longest].map((ms) => ms.toFixed(0));
  return `| ${backend} | ${keys} | ${creations} | ${storedTwice} | ${takeovers.length}, after ${least} to ${most} ms | ${refused} |`;
}
