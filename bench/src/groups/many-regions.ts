/**
 * The unflattering case: a process in which regions over all backends, with and without proxies, are in use, so that
 * V8 can specialise the code of the region for none of them.
 */

import { byHand } from '../by-hand.js';
import { awaitedReads, reads } from '../loops.js';
import { filledRegion } from '../regions.js';
import { keys, load, TTL_MS, type Value, values } from '../workload.js';
import type { Group } from './index.js';
import { WRAP } from './proxies.js';

export const manyRegions: Group = {
  title: 'Hits in a process with regions of every kind',
  reference: 'region.sync.get (memory)',
  async contenders() {
    const memory = filledRegion('memory');
    const bounded = filledRegion('lru');
    const pickled = filledRegion('memory-pickle');
    const wrapped = filledRegion('memory', WRAP);
    const map = byHand<Value>(
      keys.map((key, i) => [key, values[i] as Value]),
      TTL_MS,
    );
    return [
      { name: 'region.sync.get (memory)', subject: 'memory', batch: reads((key) => memory.sync.get(key)) },
      { name: 'region.sync.get (lru)', subject: 'lru', batch: reads((key) => bounded.sync.get(key)) },
      {
        name: 'region.sync.get (memory-pickle)',
        subject: 'memory-pickle',
        batch: reads((key) => pickled.sync.get(key)),
      },
      {
        name: 'region.sync.get (memory, 2 proxies)',
        subject: 'memory',
        batch: reads((key) => wrapped.sync.get(key)),
      },
      {
        name: 'region.getOrCreate (memory)',
        subject: 'memory',
        batch: awaitedReads((key) => memory.getOrCreate(key, () => load(key))),
      },
      {
        name: 'Map.get and Date.now() by hand',
        batch: reads((key) => {
          const entry = map.get(key);
          return entry !== undefined && Date.now() < entry.expiresAt ? entry.value : undefined;
        }),
      },
    ];
  },
};
