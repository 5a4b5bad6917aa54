/** From a write to the callback of a subscriber in another process, which sleeps meanwhile. */

import { setTimeout as sleep } from 'node:timers/promises';
import { quantile, type Rounds, type Settings } from '../harness.js';
import { startHelper } from '../shm/helper.js';
import { segmentName, temporarySegment } from '../shm/segments.js';
import type { CountedGroup } from './index.js';

/** Long enough for the subscriber to fall asleep. */
const PAUSE_MS = 3;
const FIRST = 10;

export const shmWakeUp: CountedGroup = {
  title: 'Shared memory: from set to the callback of a subscriber in another process',
  reference: 'median of a round',
  unit: 'µs',
  async rounds({ rounds, sideMs }: Settings): Promise<Rounds> {
    const name = segmentName();
    const segment = temporarySegment({}, name);
    const perRound = Math.max(20, Math.round(sideMs / PAUSE_MS));
    const events = FIRST + rounds * perRound;
    const helper = await startHelper();
    const written: bigint[] = [];
    const answer = await new Promise<{ heard: string[] }>((resolve, reject) => {
      const write = async (): Promise<void> => {
        for (let i = 0; i < events; i++) {
          await sleep(PAUSE_MS);
          written.push(process.hrtime.bigint());
          segment.set('told', i);
        }
      };
      helper.ask('listen', { segment: name, events }, () => write().catch(reject)).then(resolve, reject);
    });
    helper.stop();
    const delays = answer.heard.map((at, i) => Number(BigInt(at) - (written[i] ?? 0n)) / 1000).slice(FIRST);
    const result = { 'median of a round': [] as number[], '99 % of a round': [] as number[] };
    for (let round = 0; round < rounds; round++) {
      const of = delays.slice(round * perRound, (round + 1) * perRound);
      result['median of a round'].push(quantile(of, 0.5));
      result['99 % of a round'].push(quantile(of, 0.99));
    }
    return result;
  },
};
