/** A process that uses a segment full of garbage in all ways. */

import { Segment, type SegmentOptions } from '@stockpile/backend-shm';
import { isTextOf, textOf } from './checked-value.js';
import { serve } from './serve.js';

serve({
  use(options: SegmentOptions) {
    const segment = Segment.open(options);
    const errors: string[] = [];
    let [operations, wrong, damaged, slowest] = [0, 0, 0, 0];
    const attempt = (work: () => unknown): void => {
      operations++;
      const began = performance.now();
      try {
        work();
      } catch (error) {
        const { code, message } = error as Error & { code?: string };
        errors.push(code === undefined || code === 'ERR_STOCKPILE' ? message : code);
      }
      slowest = Math.max(slowest, performance.now() - began);
    };
    const end = performance.now() + 2000;
    segment.subscribe('', () => {});
    for (let i = 0; i < 3000 && performance.now() < end; i++) {
      const key = `k${i % 600}`;
      attempt(() => {
        const value = segment.get(key);
        if (typeof value !== 'string' || isTextOf(value, key)) return;
        const [other = ''] = value.split(':', 1);
        if (isTextOf(value, other)) wrong++;
        else damaged++;
      });
      attempt(() => segment.set(key, textOf(key, i % 700)));
      if (i % 3 === 0) attempt(() => segment.delete(`k${(i * 7) % 600}`));
      if (i % 5 === 0) attempt(() => segment.touch(key, 5000));
      if (i % 7 === 0) attempt(() => segment.increment(`n${i % 50}`));
      if (i % 11 === 0) attempt(() => segment.lock(key));
      if (i % 500 === 0) attempt(() => [...segment.keys()].length);
      if (i % 700 === 0) attempt(() => segment.stats());
    }
    attempt(() => segment.clear('k1'));
    attempt(() => segment.clear());
    attempt(() => segment.close());
    return { operations, errors, wrong, damaged, slowest };
  },
});
