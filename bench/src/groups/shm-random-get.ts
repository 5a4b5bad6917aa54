/** 100,000 keys in random order: what the processor's caches do not hold has to be waited for. */

import { textReads } from '../loops.js';
import { entries, LENGTH, shuffled } from '../shm/entries.js';
import { lmdbStore } from '../shm/lmdb-store.js';
import { filledSegment } from '../shm/segments.js';
import type { TimedGroup } from './index.js';

export const shmRandomGet: TimedGroup = {
  title: 'Shared memory: get of texts of 100 characters, 100,000 keys in random order',
  reference: 'Segment.get',
  async contenders() {
    const segment = filledSegment();
    const store = await lmdbStore(entries());
    const keys = shuffled.filter((key) => segment.has(key));
    return [
      { name: 'Segment.get', batch: textReads((key) => segment.get(key), keys, LENGTH) },
      { name: 'lmdb get', batch: textReads((key) => store.get(key), keys, LENGTH) },
    ];
  },
};
