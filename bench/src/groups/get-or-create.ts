/** A hit of get-or-create, awaited. Those that take the creator by call get a new function in each, as in use. */

import { awaitedReads } from '../loops.js';
import { bento, cacheable, cacheManager, dedupe, lruCache } from '../peers.js';
import { filledRegion } from '../regions.js';
import { keys, load, TTL_MS, type Value, values } from '../workload.js';
import type { Group } from './index.js';

export const getOrCreate: Group = {
  title: 'Awaited get-or-create, hit',
  reference: 'region.getOrCreate (memory)',
  async contenders() {
    const memory = filledRegion('memory');
    const lru = lruCache<Value>(TTL_MS, load);
    const deduping = dedupe(TTL_MS, load);
    const manager = cacheManager(TTL_MS);
    const layered = cacheable(TTL_MS);
    const bentoCache = bento(TTL_MS);
    for (const [i, key] of keys.entries()) {
      const value = values[i] as Value;
      lru.set(key, value);
      await deduping.fetch(key);
      await manager.set(key, value);
      await layered.set(key, value);
      await bentoCache.set({ key, value });
    }
    return [
      {
        name: 'region.getOrCreate (memory)',
        subject: 'memory',
        batch: awaitedReads((key) => memory.getOrCreate(key, () => load(key))),
      },
      { name: 'lru-cache fetch', subject: 'lru-cache', batch: awaitedReads((key) => lru.fetch(key)) },
      {
        name: 'async-cache-dedupe',
        subject: 'async-cache-dedupe',
        batch: awaitedReads((key) => deduping.fetch(key)),
      },
      {
        name: 'cache-manager wrap',
        subject: 'cache-manager',
        batch: awaitedReads((key) => manager.wrap(key, () => load(key))),
      },
      {
        name: 'cacheable getOrSet',
        subject: 'cacheable',
        batch: awaitedReads((key) => layered.getOrSet(key, async () => load(key))),
      },
      {
        name: 'BentoCache getOrSet',
        subject: 'bentocache',
        batch: awaitedReads((key) => bentoCache.getOrSet({ key, factory: () => load(key) })),
      },
    ];
  },
};
