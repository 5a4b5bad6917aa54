/** Worker threads, and how a process comes to its end. */

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Segment } from '@stockpile/backend-shm';
import { closeAll, closing, freshName, openBackend } from './helpers/segments.js';

const FIXTURE = fileURLToPath(new URL('./fixtures/thread.mjs', import.meta.url));
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));
const workers: Worker[] = [];

async function start(name: string, task: string): Promise<Worker> {
  const worker = new Worker(FIXTURE, { workerData: { name, task }, execArgv: [] });
  workers.push(worker);
  await once(worker, 'message');
  return worker;
}

afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate();
  await closeAll();
});

describe('worker threads', () => {
  test('share the segment, each as a participant of its own', async () => {
    const name = freshName();
    const segment = closing(Segment.open({ name, size: '4M', lifetime: 'processes' }));
    const worker = await start(name, 'listen');
    worker.on('error', () => {}); // its segment is closed under its interval: that ends it
    expect(segment.stats().participants).toBe(2);
    const answer = new Promise<void>((resolve) => {
      segment.subscribe('from-worker', () => resolve());
    });
    segment.set('to-worker', 'x');
    await answer;
    expect(segment.get('from-worker')).toBe('to-worker false');
  });

  test('that are terminated leave their locks to others', async () => {
    const name = freshName();
    const backend = openBackend({ segment: name });
    const worker = await start(name, 'lock');
    const mutex = backend.getMutex('a');
    expect(mutex.acquire({ wait: 0 })).toBe(false);
    const waiting = mutex.acquire({ wait: 5000 });
    await worker.terminate();
    const ended = performance.now();
    expect(await waiting).toBe(true);
    expect(performance.now() - ended).toBeLessThan(100);
  });

  test('can be terminated at any time', async () => {
    const name = freshName();
    const segment = closing(Segment.open({ name, size: '4M', lifetime: 'processes' }));
    for (let round = 0; round < 10; round++) {
      const worker = await start(name, 'load');
      await worker.terminate();
      expect(segment.set('own', `${round}`)).toBe(true);
      expect(segment.get('own')).toBe(`${round}`);
    }
    expect(segment.stats().participants).toBe(1);
    expect(segment.stats().wipes).toBe(0);
  });
});

describe('a process', () => {
  async function run(script: string): Promise<string> {
    const head = `import { Segment, ShmBackend } from '@stockpile/backend-shm'; const name = '${freshName()}';`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', `${head} const options = { size: '4M', lifetime: 'processes' }; ${script}`],
      { cwd: PACKAGE, timeout: 10_000 },
    );
    return stdout.trim();
  }

  test('ends though somebody listens, and nothing was closed', async () => {
    const said = await run(`
      const segment = Segment.open({ name, ...options });
      segment.subscribe('', () => {});
      segment.set('a', 'x');
      process.on('exit', () => console.log('ends'));
    `);
    expect(said).toBe('ends');
  });

  test('lives while it waits for a lock', async () => {
    const said = await run(`
      const backend = new ShmBackend({ segment: name, ...options });
      const segment = Segment.open({ name });
      backend.getMutex('a').acquire({ wait: 0 });
      setTimeout(() => backend.delete('a'), 100).unref();
      console.log(await backend.getMutex('a').acquire({ wait: Infinity }));
    `);
    expect(said).toBe('true');
  });

  test('is told by an import nothing, and by open what is wrong', async () => {
    const said = await run(`
      try { Segment.open({ name, dir: '/proc' }); } catch (error) { console.log(error.name, error.code); }
    `);
    expect(said).toBe('SegmentOpenError ERR_STOCKPILE_SHM_DIR');
  });
});
