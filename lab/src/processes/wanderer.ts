/** A process that is always at work on a segment, and tells when it finds itself, with the others, in another one. */

import { Segment, type SegmentOptions } from '@stockpile/backend-shm';
import { serve, tell } from './serve.js';

const PEERS = ['p0', 'p1', 'p2'];

let running = false;
let mixed = 0;
let operations = 0;

serve({
  start(options: SegmentOptions, self: string) {
    const segment = Segment.open(options);
    running = true;
    let [world, met] = [0, true];
    const turn = (): void => {
      try {
        for (let i = 0; i < 50; i++, operations += 3) {
          const seen = Number(segment.get('world') ?? -1);
          if (seen > world) [world, met] = [seen, false];
          else if (seen >= 0 && seen < world) mixed++;
          segment.set(self, `${seen}`);
          const peers = PEERS.filter((peer) => Number(segment.get(peer) ?? -1) === seen).length;
          if (met || peers < PEERS.length) continue;
          met = true;
          tell(`world ${world}`, { peers });
        }
      } catch (error) {
        running = false;
        tell('failed', { code: (error as { code?: string }).code });
      }
      if (running) setImmediate(turn);
    };
    turn();
  },
  stop() {
    running = false;
    return { mixed, operations };
  },
});
