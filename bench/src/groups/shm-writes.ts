/** Writes of 100 characters, in the same store of 100,000 keys. */

import { batchedWrites, writes } from '../loops.js';
import { entries, names, shuffled, textOf } from '../shm/entries.js';
import { lmdbStore } from '../shm/lmdb-store.js';
import { filledSegment } from '../shm/segments.js';
import type { TimedGroup } from './index.js';

/** lmdb writes what was put in one turn of the event loop as one transaction. */
const BATCH = 10_000;

export const shmWrites: TimedGroup = {
  title: 'Shared memory: writes of 100 characters, 100,000 keys in random order',
  reference: 'Segment.set',
  async contenders() {
    const segment = filledSegment();
    // one each: transactions of both kinds in turn on one store made lmdb 3.5.6 fail with MDB_BAD_TXN now and then
    const [one, batched] = [await lmdbStore(entries()), await lmdbStore(entries())];
    const text = textOf(0);
    const hot = names.slice(0, 1);
    return [
      { name: 'Segment.set', batch: writes((key) => segment.set(key, text), shuffled) },
      { name: 'lmdb putSync', batch: writes((key) => one.putSync(key, text) ?? true, shuffled) },
      {
        name: 'lmdb put, 10,000 awaited together',
        batch: batchedWrites((key) => batched.put(key, text), shuffled),
        minBatch: BATCH,
        maxBatch: BATCH,
      },
      { name: 'Segment.set, one key', batch: writes((key) => segment.set(key, text), hot) },
      { name: 'Segment.increment, one key', batch: writes((key) => segment.increment(key), ['count']) },
      {
        name: 'Segment.lock and unlock, one key',
        batch: writes((key) => segment.unlock(key, segment.lock(key) ?? 0), hot),
      },
    ];
  },
};
