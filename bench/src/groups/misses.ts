/** A miss of get-or-create with a creator that answers at once: the price of finding nothing and storing. */

import { awaitedReads } from '../loops.js';
import { bento, cacheable, cacheManager, dedupe, lruCache } from '../peers.js';
import { region } from '../regions.js';
import { KEY_COUNT, load, TTL_MS, type Value } from '../workload.js';
import type { Group } from './index.js';

export const misses: Group = {
  title: 'Awaited get-or-create, miss with an instant creator',
  reference: 'region.getOrCreate (memory)',
  async contenders() {
    const memory = region<Value>('memory');
    const bounded = region<Value>('lru');
    const lru = lruCache<Value>(TTL_MS, load);
    const deduping = dedupe(TTL_MS, load);
    const manager = cacheManager(TTL_MS);
    const layered = cacheable(TTL_MS);
    const bentoCache = bento(TTL_MS);
    // emptied before each batch, which is no longer than the keys are many
    const maxBatch = KEY_COUNT;
    return [
      {
        name: 'region.getOrCreate (memory)',
        subject: 'memory',
        batch: awaitedReads((key) => memory.getOrCreate(key, () => load(key))),
        before: () => memory.clear(),
        maxBatch,
      },
      {
        name: 'region.getOrCreate (lru)',
        subject: 'lru',
        batch: awaitedReads((key) => bounded.getOrCreate(key, () => load(key))),
        before: () => bounded.clear(),
        maxBatch,
      },
      {
        name: 'lru-cache fetch',
        subject: 'lru-cache',
        batch: awaitedReads((key) => lru.fetch(key)),
        before: () => lru.clear(),
        maxBatch,
      },
      {
        name: 'async-cache-dedupe',
        subject: 'async-cache-dedupe',
        batch: awaitedReads((key) => deduping.fetch(key)),
        before: () => deduping.clear(),
        maxBatch,
      },
      {
        name: 'cache-manager wrap',
        subject: 'cache-manager',
        batch: awaitedReads((key) => manager.wrap(key, () => load(key))),
        before: async () => void (await manager.clear()),
        maxBatch,
      },
      {
        name: 'cacheable getOrSet',
        subject: 'cacheable',
        batch: awaitedReads((key) => layered.getOrSet(key, async () => load(key))),
        before: () => layered.clear(),
        maxBatch,
      },
      {
        name: 'BentoCache getOrSet',
        subject: 'bentocache',
        batch: awaitedReads((key) => bentoCache.getOrSet({ key, factory: () => load(key) })),
        before: () => bentoCache.clear(),
        maxBatch,
      },
    ];
  },
};
