/** A process that opens and closes a segment again and again. */

import { Segment } from '@stockpile/backend-shm';
import { serve } from './serve.js';

serve({
  /** How often an entry of its own was missing although it had just been stored. */
  comeAndGo(dir: string, key: string, rounds: number) {
    let missing = 0;
    for (let i = 0; i < rounds; i++) {
      using segment = Segment.open({ name: 'ends', size: '1M', lifetime: 'processes', dir });
      segment.set(key, `${i}`);
      if (segment.get(key) !== `${i}`) missing++;
    }
    return missing;
  },
});
