/** A process that spends most of its time within a lock of the segment: a large value, again and again. */

import { Segment, type SegmentOptions } from '@stockpile/backend-shm';
import { serve } from './serve.js';

let segment: Segment | undefined;
let running = false;
let writes = 0;

serve({
  start(options: SegmentOptions, key: string, bytes: number) {
    segment = Segment.open(options);
    running = true;
    const value = Buffer.alloc(bytes, 'x');
    const turn = (): void => {
      for (let i = 0; i < 20; i++, writes++) segment?.set(key, value);
      if (running) setImmediate(turn);
    };
    turn();
  },
  stop() {
    running = false;
    return writes;
  },
  /** Comes and goes, which takes the gate of the segment. */
  comeAndGo(options: SegmentOptions) {
    running = true;
    const turn = (): void => {
      for (let i = 0; i < 5; i++) Segment.open(options).close();
      if (running) setImmediate(turn);
    };
    turn();
  },
});
