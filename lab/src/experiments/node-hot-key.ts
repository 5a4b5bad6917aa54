/** Many processes on one hot key: every sum comes out exactly, and everybody gets on. */

import { Segment, type ShmArguments } from '@stockpile/backend-shm';
import { createRegion } from '@stockpile/core';
import type { Experiment } from '../experiment.js';
import { checkedValue } from '../processes/checked-value.js';
import { Findings } from '../processes/findings.js';
import { Scene } from '../processes/scene.js';

const PROCESSES = 32;

interface Result {
  readonly damaged: number;
  readonly missing: number;
  readonly lost: number;
  readonly back: number;
  readonly busy: number;
  readonly ms: number;
}

export const experiment: Experiment = {
  name: 'node-hot-key',
  describe: `${PROCESSES} processes read, increment and compareAndSet the same keys of one region`,
  async run({ short, log }) {
    const findings = new Findings(log);
    await using scene = new Scene();
    const rounds = short ? 100 : 3000;
    const args: ShmArguments = { segment: 'hot', size: '2M', dir: scene.dir };
    await using region = createRegion({ name: 'hot' }).configure('shm', { arguments: args });
    await region.set('value', checkedValue('value', 0, 64));
    await region.set('sum', { n: 0 });
    const peers = await scene.startMany(PROCESSES, 'hot-key');
    await Promise.all(peers.map((peer) => peer.call('open', args)));
    const answers = await Promise.all(peers.map((peer) => peer.callFor<Result>(300_000, 'run', rounds)));
    const sum = (field: keyof Result): number => answers.reduce((all, answer) => all + answer[field], 0);
    const slowest = Math.max(...answers.map(({ ms }) => ms));
    const hits = await region.get('hits');
    const total = PROCESSES * rounds;
    findings.check(`${total * 10} increments add up`, hits === total * 10, String(hits));
    const { n } = (await region.get('sum')) as { n: number };
    findings.check(`${total} compareAndSet add up`, n === total, n);
    findings.check('the counter only grows, for everybody', sum('back') === 0, sum('back'));
    findings.check('no read finds it damaged or missing', sum('damaged') + sum('missing') === 0);
    const rate = Math.round((total * 31) / slowest);
    findings.note(`${rate}k operations/s in all; ${sum('lost')} compareAndSet came second`);
    findings.note(`${sum('busy')} writes were BUSY, since their holder waited for a cpu, and were done again`);
    const fastest = Math.min(...answers.map(({ ms }) => ms));
    findings.note(
      `the first has done its share after ${fastest.toFixed(0)} ms, the last after ${slowest.toFixed(0)} ms`,
    );
    using segment = Segment.open({ name: 'hot', dir: scene.dir });
    const { recoveries, wipes } = segment.stats();
    findings.check('nothing was taken for dead', recoveries + wipes === 0, { recoveries, wipes });
    return findings.outcome(
      `${PROCESSES} processes, ${short ? 100 : 3000} rounds of 20 reads, 10 increments, 1 compareAndSet on the same keys`,
    );
  },
};
