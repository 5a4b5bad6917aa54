/** What shared memory adds to a cache of serialised values in this process. */

import { awaitedReads, awaitedWrites, multiReads, reads } from '../loops.js';
import { filledRegion } from '../regions.js';
import { filledShmRegion } from '../shm/regions.js';
import { SLICE, type Value, values } from '../workload.js';
import type { TimedGroup } from './index.js';

export const shmRegions: TimedGroup = {
  title: 'Shared memory and serialised values in one process',
  reference: 'region.sync.get (memory-pickle)',
  async contenders() {
    const pickled = filledRegion('memory-pickle');
    const far = filledShmRegion();
    return [
      {
        name: 'region.sync.get (memory-pickle)',
        subject: 'memory-pickle',
        batch: reads((key) => pickled.sync.get(key)),
      },
      { name: 'region.sync.get (shm)', subject: 'shm', batch: reads((key) => far.sync.get(key)) },
      { name: 'region.get, awaited (shm)', subject: 'shm', batch: awaitedReads((key) => far.get(key)) },
      {
        name: 'region.sync.getMulti of 100 (shm)',
        subject: 'shm',
        batch: multiReads((slice) => far.sync.getMulti(slice)[SLICE - 1]),
      },
      {
        name: 'region.set (memory-pickle)',
        subject: 'memory-pickle',
        batch: awaitedWrites((key, i) => pickled.set(key, values[i] as Value)),
      },
      {
        name: 'region.set (shm)',
        subject: 'shm',
        batch: awaitedWrites((key, i) => far.set(key, values[i] as Value)),
      },
    ];
  },
};
