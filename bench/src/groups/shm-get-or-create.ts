/** A hit of get-or-create on an object, awaited, against caches that live in this process alone. */

import { awaitedReads } from '../loops.js';
import { cacheManager } from '../peers.js';
import { filledShmRegion } from '../shm/regions.js';
import { keys, load, TTL_MS, type Value, values } from '../workload.js';
import type { TimedGroup } from './index.js';

export const shmGetOrCreate: TimedGroup = {
  title: 'Shared memory: awaited get-or-create, hit on an object',
  reference: 'region.getOrCreate (shm, near cache)',
  async contenders() {
    const near = filledShmRegion({ near: true });
    const far = filledShmRegion();
    const manager = cacheManager(TTL_MS);
    for (const [i, key] of keys.entries()) await manager.set(key, values[i] as Value);
    return [
      {
        name: 'region.getOrCreate (shm, near cache)',
        subject: 'shm, near cache',
        batch: awaitedReads((key) => near.getOrCreate(key, () => load(key))),
      },
      {
        name: 'region.getOrCreate (shm)',
        subject: 'shm',
        batch: awaitedReads((key) => far.getOrCreate(key, () => load(key))),
      },
      {
        name: 'cache-manager wrap',
        subject: 'cache-manager',
        batch: awaitedReads((key) => manager.wrap(key, () => load(key))),
      },
    ];
  },
};
