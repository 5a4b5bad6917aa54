/** A process that starts worker threads on a segment and ends them in the middle of their work. */

import { once } from 'node:events';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Segment, type ShmArguments } from '@stockpile/backend-shm';
import { createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { checkedValue, isIntact } from './checked-value.js';
import { serve } from './serve.js';
import type { Task } from './worker-body.js';

let region: Region | undefined;
const problems: string[] = [];

function startWorker(task: Task): Worker {
  const worker = new Worker(new URL('./worker-body.js', import.meta.url), { workerData: task });
  worker.on('message', (message: { damaged?: string; error?: string }) => {
    if (message.damaged !== undefined || message.error !== undefined) problems.push(JSON.stringify(message));
  });
  worker.on('error', (error) => problems.push(String(error)));
  return worker;
}

/** Once it is at work. */
async function working(task: Task): Promise<Worker> {
  const worker = startWorker(task);
  await new Promise<void>((resolve) => {
    worker.on('message', (message: { working?: boolean }) => message.working && resolve());
    worker.once('exit', () => resolve());
  });
  return worker;
}

function soon(most: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.random() * most));
}

serve({
  /** The main thread takes part too. */
  open(args: ShmArguments) {
    region = createRegion({ name: 'threads' }).configure('shm', { arguments: args });
  },
  /** Starts and ends that many, two at a time. Gives what went wrong. */
  async endWorkers(args: ShmArguments, count: number, way: Task['way']) {
    let operations = 0;
    let left = count;
    let over = false;
    const own = (): void => {
      for (let i = 0; i < 20 && region !== undefined; i++, operations++) {
        const key = `w${operations % 50}`;
        const value = region.sync.get(key);
        if (value !== NO_VALUE && !isIntact(value, key)) problems.push(`damaged ${key}`);
        region.sync.set(key, checkedValue(key, operations, 300));
      }
      if (!over) setImmediate(own);
    };
    own();
    const lane = async (): Promise<void> => {
      while (left-- > 0) {
        const worker = await working({ args, way });
        if (way === 'exit' && worker.threadId !== -1) await once(worker, 'exit');
        else await soon(10);
        await worker.terminate(); // nothing where it has ended
      }
    };
    await Promise.all([lane(), lane()]);
    over = true;
    return { problems, operations };
  },
  /** A worker that holds a lock is ended: how long until it is free, in ms. */
  async endHolder(args: ShmArguments) {
    using segment = Segment.open({ name: args.segment, size: args.size, dir: args.dir });
    const worker = await working({ args, way: 'hold' });
    if (segment.lock('held') !== undefined) return 'it was not held';
    const began = performance.now();
    await worker.terminate();
    const fence = segment.lock('held', { wait: 500 });
    const ms = performance.now() - began;
    if (fence === undefined) return 'it stays locked';
    segment.unlock('held', fence);
    return ms;
  },
  /** Ends the process while workers are at work. */
  async exitAmongWorkers(args: ShmArguments, count: number) {
    await Promise.all(Array.from({ length: count }, () => working({ args, way: 'work' })));
    await soon(20);
    process.exit(7);
  },
  /**
   * A participant for each path: a thread shares what it has open by path, and links make many of them.
   * @returns how many came in, and how the next one failed
   */
  manyPaths(args: ShmArguments, links: string, count: number) {
    mkdirSync(links, { recursive: true });
    const opened: Segment[] = [];
    let failure: { code?: string; message?: string } = {};
    for (let i = 0; i < count; i++) {
      const dir = join(links, `${i}`);
      symlinkSync(args.dir as string, dir);
      try {
        opened.push(Segment.open({ name: args.segment, size: args.size, dir }));
      } catch (error) {
        const { code = '', message } = error as Error & { code?: string };
        failure = { code, message };
        break;
      }
    }
    const came = opened.length;
    let seen = 0;
    for (const [i, segment] of opened.entries()) {
      segment.set(`s${i}`, `${i}`);
      if (opened[0]?.get(`s${i}`) === `${i}`) seen++;
    }
    const inside = opened[0]?.stats().participants;
    for (const segment of opened) segment.close();
    return { opened: came, seen, inside, ...failure };
  },
});
