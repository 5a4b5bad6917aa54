/** An awaited set over an entry that is there. */

import { awaitedWrites } from '../loops.js';
import { bento, cacheable, cacheManager, keyv } from '../peers.js';
import { filledRegion } from '../regions.js';
import { TTL_MS, type Value, values } from '../workload.js';
import type { Group } from './index.js';

export const writes: Group = {
  title: 'Awaited set, overwrite',
  reference: 'region.set (memory)',
  async contenders() {
    const memory = filledRegion('memory');
    const bounded = filledRegion('lru');
    const pickled = filledRegion('memory-pickle');
    const keyvCache = keyv(TTL_MS);
    const manager = cacheManager(TTL_MS);
    const layered = cacheable(TTL_MS);
    const bentoCache = bento(TTL_MS);
    const value = (i: number): Value => values[i] as Value;
    return [
      {
        name: 'region.set (memory)',
        subject: 'memory',
        batch: awaitedWrites((key, i) => memory.set(key, value(i))),
      },
      { name: 'region.set (lru)', subject: 'lru', batch: awaitedWrites((key, i) => bounded.set(key, value(i))) },
      {
        name: 'region.set (memory-pickle)',
        subject: 'memory-pickle',
        batch: awaitedWrites((key, i) => pickled.set(key, value(i))),
      },
      { name: 'keyv set', subject: 'keyv', batch: awaitedWrites((key, i) => keyvCache.set(key, value(i))) },
      {
        name: 'cache-manager set',
        subject: 'cache-manager',
        batch: awaitedWrites((key, i) => manager.set(key, value(i))),
      },
      {
        name: 'cacheable set',
        subject: 'cacheable',
        batch: awaitedWrites((key, i) => layered.set(key, value(i))),
      },
      {
        name: 'BentoCache set',
        subject: 'bentocache',
        batch: awaitedWrites((key, i) => bentoCache.set({ key, value: value(i) })),
      },
    ];
  },
};
