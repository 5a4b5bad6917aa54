/** What a hit on bytes costs beyond making the value of them. */

import { deserialize, serialize } from 'node:v8';
import { awaitedReads, reads } from '../loops.js';
import { filledRegion } from '../regions.js';
import { type Value, values } from '../workload.js';
import type { Group } from './index.js';

export const pickle: Group = {
  title: 'Hit on serialised values',
  reference: 'region.sync.get (memory-pickle)',
  async contenders() {
    const pickled = filledRegion('memory-pickle');
    const bytes = values.map((value) => serialize(value));
    return [
      {
        name: 'region.sync.get (memory-pickle)',
        subject: 'memory-pickle',
        batch: reads((key) => pickled.sync.get(key)),
      },
      {
        name: 'bare deserialisation (node:v8)',
        batch: reads((_, i) => deserialize(bytes[i] as Buffer) as Value),
      },
      {
        name: 'region.getOrCreate (memory-pickle)',
        subject: 'memory-pickle',
        batch: awaitedReads((key) => pickled.getOrCreate(key, () => values[0] as Value)),
      },
    ];
  },
};
