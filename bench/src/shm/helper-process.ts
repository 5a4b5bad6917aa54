/** The helper's side of `startHelper`. It ends when its channel does. */

import { Segment } from '@stockpile/backend-shm';
import { keys } from '../workload.js';
import { LENGTH } from './entries.js';
import type { Job, Jobs, Told } from './helper.js';

type Doing = { readonly [J in Job]: (ask: Jobs[J]['ask']) => Promise<Jobs[J]['answer']> };

/** Reads between two looks at the clock. */
const READS = 1000;
const LISTEN_MS = 30_000;

const doing: Doing = {
  async read({ segment: name, at, ms }) {
    using segment = Segment.open({ name });
    const start = BigInt(at);
    const read = (): void => {
      for (let i = 0; i < READS; i++) {
        const found = segment.get(keys[i % keys.length] as string) as string;
        if (found.length !== LENGTH) throw new Error(`not what was put: ${found}`);
      }
    };
    while (process.hrtime.bigint() < start) read(); // warm, and in step with the others
    const begin = process.hrtime.bigint();
    const end = begin + BigInt(ms * 1e6);
    let reads = 0;
    let now = begin;
    for (; now < end; now = process.hrtime.bigint()) {
      read();
      reads += READS;
    }
    return { reads, ns: Number(now - begin) };
  },
  listen({ segment: name, events }) {
    const segment = Segment.open({ name });
    const heard: string[] = [];
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`heard of ${heard.length} of ${events} writes`)), LISTEN_MS);
      segment.subscribe('', () => {
        heard.push(String(process.hrtime.bigint()));
        if (heard.length < events) return;
        clearTimeout(timer);
        segment.close();
        resolve({ heard });
      });
      tell({ began: true });
    });
  },
};

function tell(told: Told): void {
  process.send?.(told);
}

process.on('message', async ({ job, ask }: { job: Job; ask: never }) => tell({ answer: await doing[job](ask) }));
tell({ began: true });
