/** One key, read again and again: what a call costs when all of it is in the processor's caches. */

import { textReads } from '../loops.js';
import { entries, LENGTH, names, textOf } from '../shm/entries.js';
import { lmdbStore } from '../shm/lmdb-store.js';
import { filledSegment, temporarySegment } from '../shm/segments.js';
import type { TimedGroup } from './index.js';

const ONE = 54_321;
const KILOBYTE = 1024;

export const shmHotGet: TimedGroup = {
  title: 'Shared memory: one hot key, a text of 100 characters among 100,000',
  reference: 'Segment.get',
  async contenders() {
    const segment = filledSegment();
    segment.set('long', textOf(ONE, KILOBYTE));
    segment.set('bytes', Buffer.from(textOf(ONE, KILOBYTE)));
    const alone = temporarySegment({ size: '1M' });
    const store = await lmdbStore(entries());
    const [key, text] = [names[ONE] as string, textOf(ONE)];
    segment.set(key, text);
    alone.set(key, text);
    const storeAlone = await lmdbStore([[key, text]]);
    for (const found of [segment.get(key), alone.get(key), store.get(key), storeAlone.get(key)]) {
      if (found !== text) throw new Error(`not what was put: ${found}`);
    }
    return [
      { name: 'Segment.get', batch: textReads((name) => segment.get(name), [key], LENGTH) },
      { name: 'lmdb get', batch: textReads((name) => store.get(name), [key], LENGTH) },
      { name: 'Segment.get, no other entry', batch: textReads((name) => alone.get(name), [key], LENGTH) },
      { name: 'lmdb get, no other entry', batch: textReads((name) => storeAlone.get(name), [key], LENGTH) },
      { name: 'Segment.get, text of 1 KB', batch: textReads((name) => segment.get(name), ['long'], KILOBYTE) },
      { name: 'Segment.get, bytes of 1 KB', batch: textReads((name) => segment.get(name), ['bytes'], KILOBYTE) },
    ];
  },
};
