/** Several processes want the same packages: what is counted, what is said of it, and how they end. */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { brokenPromises, claimsOf } from '../src/demo/claims.js';
import type { Report } from '../src/demo/report.js';
import { type Result, resultOf } from '../src/demo/result.js';
import { callsPerKey } from '../src/demo/result-table.js';
import type { Work } from '../src/demo/workload.js';
import { temporaryDirectory, writeCheckout } from './installed-tree.js';

const MAIN = resolve('examples/dist/demo/main.js');
/** How many packages `writeCheckout` writes. */
const PACKAGES = 7;
const LONG_MS = 30_000;

const checkout = temporaryDirectory();
beforeAll(() => writeCheckout(checkout.path));
afterAll(() => checkout.remove());

const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, [MAIN, '--callers', '4', ...args], {
    cwd: checkout.path,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });

describe('resultOf', () => {
  const answers = new Map(['a', 'b'].map((key) => [key, {} as Report]));
  const work: Work = {
    started: 1000,
    ended: 1500,
    latencies: Float64Array.of(1, 2, 100),
    hits: 2,
    misses: 1,
    errors: 0,
    creatorCalls: new Map([['a', 1]]),
    answers,
  };

  test('is what several processes did together', () => {
    const other = { ...work, started: 1100, ended: 2000, hits: 0, misses: 3, latencies: Float64Array.of(3, 4, 5) };
    expect(resultOf([work, { ...other, creatorCalls: new Map([['a', 2]]) }])).toEqual({
      processes: 2,
      requests: 6,
      elapsed: 1000,
      hitRatio: 2 / 6,
      keys: 2,
      creatorCalls: 3,
      fewestCalls: 0,
      mostCalls: 3,
      p50: 3,
      p99: 100,
      errors: 0,
    });
  });

  test('a single call too many is seen', () => {
    const calls = new Map(Array.from({ length: 1000 }, (_, index) => [`${index}`, index === 500 ? 2 : 1]));
    const all = new Map([...calls.keys()].map((key) => [key, {} as Report]));
    const result = resultOf([{ ...work, creatorCalls: calls, answers: all }]);
    expect(callsPerKey(result)).toBe('1 to 2');
    expect(brokenPromises([{ name: 'shm', result }])).toEqual([
      'Not one creator call per key: shm made up to 2 for one package.',
    ]);
  });
});

describe('what is said of it', () => {
  const result = (creatorCalls: number, fewestCalls: number, mostCalls: number): Result => ({
    ...{ processes: 4, requests: 9, elapsed: 2500, hitRatio: 0, keys: 371, p50: 0, p99: 0, errors: 0 },
    ...{ creatorCalls, fewestCalls, mostCalls },
  });
  const shm = { name: 'shm', result: result(371, 1, 1) };
  const lru = { name: 'lru', result: result(1484, 4, 4) };

  test('is one sentence that compares two', () => {
    expect(claimsOf([shm, lru])).toEqual([
      'shm: 371 packages, 371 creator calls by 4 processes (one for each package); lru: 1,484 (each process computes each report for itself).',
    ]);
  });

  test('is a line for each of more', () => {
    const memory = { name: 'memory', result: result(1480, 3, 4), stopped: true };
    expect(claimsOf([shm, lru, memory])).toEqual([
      'shm: 371 packages, 371 creator calls by 4 processes (one for each package).',
      'lru: 371 packages, 1,484 creator calls by 4 processes (each process computes each report for itself).',
      'memory: 371 packages, 1,480 creator calls by 4 processes (3 to 4 for each package, stopped after 2.5 s).',
    ]);
  });

  test('memcached promises no single call, and says why there may be more', () => {
    const memcached = { name: 'memcached', result: result(371, 1, 1) };
    expect(claimsOf([memcached, lru])[0]).toMatch(
      /^memcached: 371 .* by 4 processes \(one for each package, as long as memcached evicts neither a lock nor an entry\); lru: /,
    );
    const more = { name: 'memcached', result: { ...result(373, 1, 2), errors: 5 } };
    expect(claimsOf([more])[0]).toMatch(
      / \(1 to 2 for each package, and 5 operations of the backend failed; a lock or an entry that memcached evicts means one more\)\.$/,
    );
    expect(brokenPromises([more])).toEqual([]);
  });

  test('redis promises one, as shm does', () => {
    expect(brokenPromises([{ ...shm, name: 'redis' }])).toEqual([]);
    expect(brokenPromises([{ name: 'redis', result: result(373, 1, 3) }])).toEqual([
      'Not one creator call per key: redis made up to 3 for one package; a server that is full evicts entries, which are then created again.',
    ]);
  });

  test('shm promises one call, and is told when it made more', () => {
    expect(brokenPromises([shm, lru])).toEqual([]);
    const broken = { name: 'shm', result: { ...result(373, 1, 3), errors: 2 } };
    expect(claimsOf([broken])).toEqual([
      'shm: 371 packages, 373 creator calls by 4 processes (1 to 3 for each package).',
    ]);
    expect(brokenPromises([broken])).toEqual([
      'Not one creator call per key: shm made up to 3 for one package, and 2 operations of the backend failed.',
    ]);
  });
});

describe('the demo in several processes', () => {
  test('with lru, each computes each report', () => {
    const { status, stdout, stderr } = run(['--backend', 'lru', '--workers', '4']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^7 packages in .*; 4 processes with 4 concurrent callers each, a few packages/m);
    // processes, requests, time, requests/s, hit ratio, creator calls, per key, p50, p99
    expect(stdout).toMatch(/^lru +4 +200,000 +\S+ m?s +[\d,]+ +99\.\d % +28 +4 +\S+ \Ss +\S+ \Ss$/m);
    expect(stdout).toContain(
      '\nlru: 7 packages, 28 creator calls by 4 processes (each process computes each report for itself).\n',
    );
    expect(stdout).toMatch(/^Identical: all 28 reports from lru in 4 processes equal those computed directly\.$/m);
    expect(stdout).not.toMatch(/^(null|memory)/m);
    expect(status).toBe(0);
  });

  test('without a name, through each backend; the uncached run as long as it may', () => {
    const { status, stdout } = run(['--workers', '2', '--seconds', '0.3', '--keys', '3']);
    expect(stdout).toMatch(/^null \(uncached\) +2 +\d.* 0\.0 % /m);
    for (const name of ['memory', 'memory-pickle', 'lru']) {
      expect(stdout).toMatch(new RegExp(`^${name} +2 +100,000 .* 6 +2 `, 'm'));
      expect(stdout).toMatch(new RegExp(`^${name}: 3 packages, 6 creator calls by 2 processes`, 'm'));
    }
    expect(status).toBe(0);
  });

  test('finds a report that was changed in a process', () => {
    const { status, stdout } = run(['--backend', 'lru', '--workers', '2'], { STOCKPILE_DEMO_TAMPER: 'lru' });
    for (const process of [1, 2]) {
      expect(stdout).toMatch(
        new RegExp(`^Different: lru in process ${process} of 2 gave another report of \\S+: bytes \\d+ instead`, 'm'),
      );
    }
    expect(stdout).not.toContain('Identical');
    expect(status).toBe(1);
  });
});

// Every process ends with the demo. `null` and ten seconds: long enough to be interrupted.
(existsSync('/proc/self/stat') ? describe : describe.skip)('the end of the processes (needs /proc)', () => {
  const start = async (backend = 'null') => {
    const args = [MAIN, '--backend', backend, '--workers', '3', '--seconds', '10'];
    const demo = spawn(process.execPath, args, {
      cwd: checkout.path,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let stderr = '';
    demo.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    const closed = once(demo, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
    const pid = demo.pid ?? 0;
    await until(() => childrenOf(pid).length === 3);
    return { pid, workers: childrenOf(pid), closed, stderr: () => stderr };
  };

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s to all of them, as by Ctrl-C, ends all of them',
    async (signal) => {
      const { pid, workers, closed, stderr } = await start();
      process.kill(-pid, signal);
      expect(await closed).toEqual([null, signal]);
      await until(() => !workers.some(isAlive));
      expect(stderr()).toBe('');
    },
    LONG_MS,
  );

  test(
    'Ctrl-C leaves no segment in shared memory',
    async () => {
      const { pid, workers, closed } = await start('shm');
      await until(() => segmentsOf(pid).length > 0);
      process.kill(-pid, 'SIGINT');
      expect(await closed).toEqual([null, 'SIGINT']);
      await until(() => !workers.some(isAlive));
      expect(segmentsOf(pid)).toEqual([]);
    },
    LONG_MS,
  );

  test(
    'when the demo is killed, its workers notice',
    async () => {
      const { pid, workers, closed } = await start();
      process.kill(pid, 'SIGKILL');
      await closed;
      await until(() => !workers.some(isAlive));
    },
    LONG_MS,
  );

  test(
    'when a worker is killed, the demo says so and ends the others',
    async () => {
      const { workers, closed, stderr } = await start();
      process.kill(workers[1] ?? 0, 'SIGKILL');
      expect(await closed).toEqual([1, null]);
      expect(stderr()).toMatch(/^the demo failed: null in process [123] of 3: ended early \(SIGKILL\)\n$/);
      expect(workers.some(isAlive)).toBe(false);
    },
    LONG_MS,
  );
});

describe('the demo through shm', () => {
  const sentence =
    'shm: 7 packages, 7 creator calls by 4 processes (one for each package); ' +
    'lru: 28 (each process computes each report for itself).';

  test('makes one creator call per key in four processes, next to lru with four', () => {
    const { pid, status, stdout, stderr } = run(['--backend', 'shm']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(new RegExp(`^shm +4 +200,000 .* ${PACKAGES} +1 `, 'm'));
    expect(stdout).toMatch(new RegExp(`^lru +4 +200,000 .* ${4 * PACKAGES} +4 `, 'm'));
    expect(stdout).toContain(`\n${sentence}\n`);
    expect(stdout).toMatch(/^Identical: all 56 reports from shm, lru in 4 processes/m);
    expect(status).toBe(0);
    expect(segmentsOf(pid)).toEqual([]);
  });

  test('finds a report that was changed in a process', () => {
    const { status, stdout } = run(['--backend', 'shm', '--workers', '2'], { STOCKPILE_DEMO_TAMPER: 'shm' });
    expect(stdout).toMatch(/^Different: shm in process [12] of 2 gave another report of /m);
    expect(stdout).not.toContain('Identical');
    expect(status).toBe(1);
  });

  test('ends the demo without options', () => {
    const { pid, status, stdout, stderr } = run(['--seconds', '0.2']);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^Identical: all \d+ reports from null, memory, memory-pickle, lru, shm equal/m);
    expect(stdout).toMatch(/^The same packages wanted by 4 processes at a time, 4 concurrent callers in each:$/m);
    expect(stdout).toContain(`\n${sentence}\n`);
    expect(status).toBe(0);
    expect(segmentsOf(pid)).toEqual([]);
  });
});

/** What a demo left behind in shared memory. */
function segmentsOf(pid: number): string[] {
  const paths = existsSync('/dev/shm') ? readdirSync('/dev/shm', { recursive: true, encoding: 'utf8' }) : [];
  return paths.filter((path) => path.includes(`demo-${pid}`));
}

/** As /proc/<pid>/stat has it: state and parent; zombies are gone. */
function statOf(pid: number): { state: string; parent: number } | undefined {
  try {
    const [state = '', parent] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1)?.split(' ') ?? [];
    return state === 'Z' || state === 'X' ? undefined : { state, parent: Number(parent) };
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  return statOf(pid) !== undefined;
}

function childrenOf(pid: number): number[] {
  const pids = readdirSync('/proc').map(Number).filter(Number.isInteger);
  return pids.filter((child) => statOf(child)?.parent === pid);
}

/** Polls; the test's own timeout ends it. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}
