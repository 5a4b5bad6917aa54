/** What a region adds to lru-cache, by which its lru backend keeps the entries. */

import { awaitedReads, reads } from '../loops.js';
import { lruCache } from '../peers.js';
import { filledRegion } from '../regions.js';
import { keys, load, TTL_MS, type Value, values } from '../workload.js';
import type { Group } from './index.js';

export const lru: Group = {
  title: 'The lru backend, hit',
  reference: 'region.sync.get (lru)',
  async contenders() {
    const bounded = filledRegion('lru');
    const bare = lruCache<Value>(TTL_MS, load);
    for (const [i, key] of keys.entries()) bare.set(key, values[i] as Value);
    return [
      { name: 'region.sync.get (lru)', subject: 'lru', batch: reads((key) => bounded.sync.get(key)) },
      { name: 'lru-cache get with ttl', subject: 'lru-cache', batch: reads((key) => bare.get(key)) },
      {
        name: 'region.getOrCreate (lru)',
        subject: 'lru',
        batch: awaitedReads((key) => bounded.getOrCreate(key, () => load(key))),
      },
      { name: 'lru-cache fetch', subject: 'lru-cache', batch: awaitedReads((key) => bare.fetch(key)) },
    ];
  },
};
