import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { figures } from '../src/figures.js';
import type { Settings } from '../src/harness.js';
import { PROMISED } from '../src/promised.js';
import type { GroupRun } from '../src/tasks.js';

const WORKER = fileURLToPath(new URL('../dist/worker.js', import.meta.url));
const ONE_ROUND: Settings = { rounds: 1, sideMs: 1, warmMs: 4 };

let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
});

function start(group: string, settings: Settings): ChildProcess {
  const input = JSON.stringify({ group, settings, failed: [] });
  child = fork(WORKER, ['group', input], { execArgv: ['--expose-gc'] });
  return child;
}

const groups = [...new Set(PROMISED.map(({ of: [group] }) => group))];

test.each(groups.filter((group) => /^(redis|memcached|keyv)-/.test(group)))(
  'all that the figures of %s ask for is measured, and right',
  async (group) => {
    const [run] = (await once(start(group, ONE_ROUND), 'message')) as [GroupRun];
    if (!('rounds' in run)) throw new Error(run.skipped);
    const found = figures({ [group]: run.rounds }, undefined);
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter(({ ratio }) => !(ratio && ratio.median > 0))).toEqual([]);
  },
  20_000,
);

/** '' of one that has just ended. */
function cwdOf(process: string): string {
  try {
    return readlinkSync(`${process}/cwd`);
  } catch {
    return '';
  }
}

/** The server that the process has started, once it is in its folder. */
async function serverOf({ pid }: ChildProcess): Promise<{ process: string; folder: string }> {
  for (let i = 0; i < 500; i++) {
    for (const own of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')) {
      const process = `/proc/${own}`;
      const folder = own === '' ? '' : cwdOf(process);
      if (basename(folder).startsWith('stockpile-')) return { process, folder };
    }
    await sleep(20);
  }
  throw new Error('no server was started');
}

const ends: [string, (measuring: ChildProcess) => void][] = [
  ['that is ended by a signal', (measuring) => void measuring.kill('SIGTERM')],
  ['whose parent is gone', (measuring) => measuring.disconnect()],
];

if (process.platform === 'linux') {
  test.each(ends)('a comparison %s leaves no server behind, nor its files', async (_, end) => {
    const measuring = start('redis-get', { rounds: 3, sideMs: 10_000, warmMs: 20 });
    const { process, folder } = await serverOf(measuring);
    end(measuring);
    await once(measuring, 'exit');
    for (let i = 0; i < 100 && existsSync(process); i++) await sleep(20);
    expect([process, folder].filter((left) => existsSync(left))).toEqual([]);
  });
}
