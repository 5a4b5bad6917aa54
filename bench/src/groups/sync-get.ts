/** A hit without promises. */

import { byHand } from '../by-hand.js';
import { reads } from '../loops.js';
import { lruCache } from '../peers.js';
import { filledRegion } from '../regions.js';
import { keys, TTL_MS, type Value, values } from '../workload.js';
import type { Group } from './index.js';

export const syncGet: Group = {
  title: 'Synchronous get, hit',
  reference: 'region.sync.get (memory)',
  async contenders() {
    const memory = filledRegion('memory');
    const map = byHand<Value>(
      keys.map((key, i) => [key, values[i] as Value]),
      TTL_MS,
    );
    const lru = lruCache<Value>(TTL_MS);
    for (const [i, key] of keys.entries()) lru.set(key, values[i] as Value);
    return [
      { name: 'region.sync.get (memory)', subject: 'memory', batch: reads((key) => memory.sync.get(key)) },
      {
        name: 'Map.get and Date.now() by hand',
        batch: reads((key) => {
          const entry = map.get(key);
          return entry !== undefined && Date.now() < entry.expiresAt ? entry.value : undefined;
        }),
      },
      { name: 'lru-cache get with ttl', subject: 'lru-cache', batch: reads((key) => lru.get(key)) },
    ];
  },
};
