/** A worker thread with a region of its own, at work until it is ended in the middle of it. */

import { parentPort, workerData } from 'node:worker_threads';
import { Segment, type ShmArguments } from '@stockpile/backend-shm';
import { createRegion, NO_VALUE } from '@stockpile/core';
import { checkedValue, isIntact } from './checked-value.js';

export interface Task {
  readonly args: ShmArguments;
  /** `'exit'`: calls process.exit in the middle of it, which ends this thread only. */
  readonly way: 'work' | 'exit' | 'hold';
}

const { args, way } = workerData as Task;
const region = createRegion({ name: 'threads' }).configure('shm', { arguments: { ...args, nearCache: true } });
using segment = Segment.open({ name: args.segment, size: args.size, dir: args.dir });
region.subscribe(null, () => {});
if (way === 'hold') segment.lock('held');

const ending = way === 'exit' ? 200 + Math.floor(Math.random() * 2000) : Infinity;
let turn = 0;

async function creations(): Promise<void> {
  for (;;) {
    const key = `c${turn % 7}`;
    const value = await region.getOrCreate(key, () => checkedValue(key, turn, 200), { expirationTime: 5 });
    if (!isIntact(value, key)) parentPort?.postMessage({ damaged: key });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function work(): void {
  for (let i = 0; i < 50; i++) {
    if (turn++ > ending) process.exit(3);
    const key = `w${turn % 50}`;
    const value = region.sync.get(key);
    if (value !== NO_VALUE && !isIntact(value, key)) parentPort?.postMessage({ damaged: key });
    region.sync.set(key, checkedValue(key, turn, 100 + (turn % 5000)));
    region.sync.increment('turns');
    if (turn % 20 === 0) region.sync.delete(`w${turn % 49}`);
  }
  setImmediate(work);
}

void creations().catch((error: unknown) => parentPort?.postMessage({ error: String(error) }));
work();
parentPort?.postMessage({ working: true });
