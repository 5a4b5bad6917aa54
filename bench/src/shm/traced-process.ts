/** Runs below strace: reads and writes one key, few times and ten times as often. */

import { Segment } from '@stockpile/backend-shm';
import { LENGTH, textOf } from './entries.js';
import { mark } from './strace.js';

const [name, few] = process.argv.slice(2);
const segment = Segment.open({ name: name as string });
const text = textOf(0);
const doing = {
  get: (n: number): void => {
    for (let i = 0; i < n; i++)
      if ((segment.get('key') as string).length !== LENGTH) throw new Error('not what was put');
  },
  set: (n: number): void => {
    for (let i = 0; i < n; i++) if (!segment.set('key', text)) throw new Error('not stored');
  },
};
for (const what of ['set', 'get'] as const) {
  doing[what](Number(few)); // warm
  for (const n of [Number(few), 10 * Number(few)]) {
    mark(`${what} ${n}`);
    doing[what](n);
  }
  mark('end');
}
