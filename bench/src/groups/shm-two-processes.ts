/** How much more two processes read than one: nothing that they share may slow them down. */

import { availableParallelism } from 'node:os';
import { type Rounds, type Settings, Skip } from '../harness.js';
import { LENGTH, textOf } from '../shm/entries.js';
import { type Helper, startHelper } from '../shm/helper.js';
import { segmentName, temporarySegment } from '../shm/segments.js';
import { keys } from '../workload.js';
import type { CountedGroup } from './index.js';

/** From the question to the common start, in which they warm up. */
const LEAD_MS = 40;

export const shmTwoProcesses: CountedGroup = {
  title: 'Shared memory: get by several processes at once, time per get of all together',
  reference: 'one process',
  async rounds({ rounds, sideMs }: Settings): Promise<Rounds> {
    if (availableParallelism() < 2) throw new Skip('there is one processor only');
    const name = segmentName();
    const segment = temporarySegment({}, name);
    for (const [i, key] of keys.entries()) segment.set(key, textOf(i, LENGTH));
    const [one, other] = [await startHelper(), await startHelper()];
    const result = { 'one process': [] as number[], 'two processes at once': [] as number[] };
    const alone = async (round: number): Promise<void> => {
      result['one process'].push(await nsPerRead(name, [round % 2 === 0 ? one : other], sideMs));
    };
    await nsPerRead(name, [one, other], sideMs);
    for (let round = 0; round < rounds; round++) {
      if (round % 2 === 0) await alone(round);
      result['two processes at once'].push(await nsPerRead(name, [one, other], sideMs));
      if (round % 2 === 1) await alone(round);
    }
    one.stop();
    other.stop();
    return result;
  },
};

/** ns from read to read, whoever makes it. */
async function nsPerRead(segment: string, helpers: readonly Helper[], ms: number): Promise<number> {
  const at = String(process.hrtime.bigint() + BigInt(LEAD_MS * 1e6));
  const answers = await Promise.all(helpers.map((helper) => helper.ask('read', { segment, at, ms })));
  const perNs = answers.reduce((sum, { reads, ns }) => sum + reads / ns, 0);
  return 1 / perNs;
}
