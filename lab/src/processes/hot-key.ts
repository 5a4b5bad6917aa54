/** One of many processes that all work on the same few keys. */

import type { ShmArguments } from '@stockpile/backend-shm';
import { type CachedValue, createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { checkedValue, isIntact } from './checked-value.js';
import { serve } from './serve.js';

let region: Region = createRegion();
let busy = 0;

/** A process that waits for its turn on the cpu with a lock in hand makes others BUSY: nothing was written then. */
function insisting<T>(work: () => T): T {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if ((error as { code?: string }).code !== 'ERR_STOCKPILE_SHM_BUSY') throw error;
      busy++;
    }
  }
}

interface Sum {
  readonly n: number;
}

/** One more in an object, by compareAndSet; how often somebody else was first. */
function addOne(): number {
  const { backend } = region;
  for (let lost = 0; ; lost++) {
    const old = insisting(() => backend.get('hot:sum')) as CachedValue;
    const next: CachedValue = { value: { n: (old.value as Sum).n + 1 }, metadata: old.metadata };
    if (insisting(() => backend.compareAndSet('hot:sum', old, next, { ttl: undefined })) === true) return lost;
  }
}

serve({
  open(args: ShmArguments) {
    region = createRegion({ name: 'hot' }).configure('shm', { arguments: args });
  },
  /** Rounds of 20 reads, 10 increments, 1 compareAndSet and, now and then, a write. */
  run(rounds: number) {
    const began = performance.now();
    let [damaged, missing, lost, back, last] = [0, 0, 0, 0, 0];
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < 20; i++) {
        const value = region.sync.get('value');
        if (value === NO_VALUE) missing++;
        else if (!isIntact(value, 'value')) damaged++;
      }
      for (let i = 0; i < 10; i++) {
        const sum = insisting(() => region.sync.increment('hits'));
        if (sum <= last) back++;
        last = sum;
      }
      lost += addOne();
      if (round % 10 === 0) insisting(() => region.sync.set('value', checkedValue('value', round, 64)));
    }
    return { damaged, missing, lost, back, busy, ms: performance.now() - began };
  },
});
