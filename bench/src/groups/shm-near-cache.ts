/** A hit on an object that was decoded before, against a cache of objects in this process, and against decoding it. */

import { structuredSerializer } from '@stockpile/core';
import { reads } from '../loops.js';
import { lruCache } from '../peers.js';
import { filledShmRegion } from '../shm/regions.js';
import { keys, TTL_MS, type Value, values } from '../workload.js';
import type { TimedGroup } from './index.js';

export const shmNearCache: TimedGroup = {
  title: 'Shared memory: hit on an object, without promises',
  reference: 'region.sync.get (shm, near cache)',
  async contenders() {
    const near = filledShmRegion({ near: true });
    const far = filledShmRegion();
    const lru = lruCache<Value>(TTL_MS);
    const untimed = lruCache<Value>(0);
    for (const [i, key] of keys.entries()) {
      lru.set(key, values[i] as Value);
      untimed.set(key, values[i] as Value);
    }
    const bytes = values.map((value) => structuredSerializer.serialize(value));
    return [
      {
        name: 'region.sync.get (shm, near cache)',
        subject: 'shm, near cache',
        batch: reads((key) => near.sync.get(key)),
      },
      { name: 'lru-cache get with ttl', subject: 'lru-cache', batch: reads((key) => lru.get(key)) },
      { name: 'lru-cache get, no ttl', subject: 'lru-cache', batch: reads((key) => untimed.get(key)) },
      {
        name: 'bare deserialisation of the same bytes',
        batch: reads((_, i) => structuredSerializer.deserialize(bytes[i] as Uint8Array) as Value),
      },
      { name: 'region.sync.get (shm)', subject: 'shm', batch: reads((key) => far.sync.get(key)) },
    ];
  },
};
