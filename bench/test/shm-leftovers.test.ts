import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { Skip } from '../src/harness.js';
import { startMemcached, startRedis } from '../src/servers/start.js';

const WORKER = fileURLToPath(new URL('../dist/worker.js', import.meta.url));
const SETTINGS = { rounds: 3, sideMs: 10_000, warmMs: 20 };
const onLinux = process.platform === 'linux' ? test : test.skip;

const { PATH } = process.env;
let child: ChildProcess | undefined;

afterEach(() => {
  process.env.PATH = PATH;
  child?.kill('SIGKILL');
});

/** Files of the segments that a measuring process has made. */
function segmentsOf({ pid }: ChildProcess): string[] {
  const folder = join('/dev/shm', `stockpile-${process.geteuid?.()}`);
  return existsSync(folder) ? readdirSync(folder).filter((name) => name.startsWith(`bench-${pid}-`)) : [];
}

/** A comparison that would go on for minutes; once it has begun. */
async function measuring(group: string): Promise<ChildProcess> {
  const input = JSON.stringify({ group, settings: SETTINGS, failed: [] });
  const started = fork(WORKER, ['group', input], { execArgv: ['--expose-gc'] });
  child = started;
  for (let i = 0; i < 500 && segmentsOf(started).length === 0; i++) await sleep(20);
  return started;
}

onLinux('a comparison that is ended by a signal leaves no segment behind', async () => {
  const measured = await measuring('shm-wake-up');
  expect(segmentsOf(measured)).not.toEqual([]);
  measured.kill('SIGTERM');
  await once(measured, 'exit');
  expect(segmentsOf(measured)).toEqual([]);
});

onLinux('a comparison whose parent is gone ends too', async () => {
  const measured = await measuring('shm-wake-up');
  measured.disconnect();
  await once(measured, 'exit');
  expect(segmentsOf(measured)).toEqual([]);
});

test('a server that is not installed is a reason, not a failure', async () => {
  process.env.PATH = '/nowhere';
  await expect(startRedis()).rejects.toThrow(new Skip('there is no redis-server on the PATH'));
  await expect(startMemcached()).rejects.toThrow(Skip);
});
