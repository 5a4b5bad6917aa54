/** A hit of get, awaited. */

import { awaitedReads } from '../loops.js';
import { bento, cacheable, cacheManager, keyv } from '../peers.js';
import { filledRegion } from '../regions.js';
import { keys, TTL_MS, type Value, values } from '../workload.js';
import type { Group } from './index.js';

export const awaitedGet: Group = {
  title: 'Awaited get, hit',
  reference: 'region.get (memory)',
  async contenders() {
    const memory = filledRegion('memory');
    const keyvCache = keyv(TTL_MS);
    const manager = cacheManager(TTL_MS);
    const layered = cacheable(TTL_MS);
    const bentoCache = bento(TTL_MS);
    for (const [i, key] of keys.entries()) {
      const value = values[i] as Value;
      await keyvCache.set(key, value);
      await manager.set(key, value);
      await layered.set(key, value);
      await bentoCache.set({ key, value });
    }
    return [
      { name: 'region.get (memory)', subject: 'memory', batch: awaitedReads((key) => memory.get(key)) },
      {
        name: 'cache-manager get',
        subject: 'cache-manager',
        batch: awaitedReads((key) => manager.get<Value>(key)),
      },
      { name: 'keyv get', subject: 'keyv', batch: awaitedReads((key) => keyvCache.get<Value>(key)) },
      { name: 'cacheable get', subject: 'cacheable', batch: awaitedReads((key) => layered.get<Value>(key)) },
      {
        name: 'BentoCache get',
        subject: 'bentocache',
        batch: awaitedReads((key) => bentoCache.get<Value>({ key })),
      },
    ];
  },
};
