/** 100 keys in one call, all of them there. */

import { awaitedMultiReads, multiReads } from '../loops.js';
import { cacheManager, keyv } from '../peers.js';
import { filledRegion } from '../regions.js';
import { keys, SLICE, TTL_MS, type Value, values } from '../workload.js';
import type { Group } from './index.js';

export const multi: Group = {
  title: '100 keys at once, hits (per call of 100)',
  reference: '100 × region.sync.get (memory)',
  async contenders() {
    const memory = filledRegion('memory');
    const keyvCache = keyv(TTL_MS);
    const manager = cacheManager(TTL_MS);
    for (const [i, key] of keys.entries()) {
      await keyvCache.set(key, values[i] as Value);
      await manager.set(key, values[i] as Value);
    }
    return [
      {
        name: '100 × region.sync.get (memory)',
        subject: 'memory',
        batch: multiReads((slice) => {
          let last: Value | symbol | undefined;
          for (const key of slice) last = memory.sync.get(key);
          return last;
        }),
      },
      {
        name: 'region.sync.getMulti (memory)',
        subject: 'memory',
        batch: multiReads((slice) => memory.sync.getMulti(slice)[SLICE - 1]),
      },
      {
        name: 'region.getMulti, awaited (memory)',
        subject: 'memory',
        batch: awaitedMultiReads((slice) => memory.getMulti(slice)),
      },
      {
        name: 'cache-manager mget',
        subject: 'cache-manager',
        batch: awaitedMultiReads((slice) => manager.mget<Value>([...slice])),
      },
      {
        name: 'keyv getMany',
        subject: 'keyv',
        batch: awaitedMultiReads((slice) => keyvCache.getMany<Value>([...slice])),
      },
    ];
  },
};
