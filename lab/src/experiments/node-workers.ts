/** Worker threads with a backend each, ended in the middle of an operation; and more participants than there are places. */

import { join } from 'node:path';
import { Segment, type ShmArguments } from '@stockpile/backend-shm';
import type { Experiment } from '../experiment.js';
import type { Child } from '../processes/children.js';
import { Findings } from '../processes/findings.js';
import { Scene } from '../processes/scene.js';

interface Ended {
  readonly problems: string[];
  readonly operations: number;
}

export const experiment: Experiment = {
  name: 'node-workers',
  describe: 'worker.terminate() and process.exit() in mid-operation; 257 participants',
  async run({ short, log }) {
    const findings = new Findings(log);
    await using scene = new Scene();
    const args: ShmArguments = { segment: 'threads', size: '4M', dir: scene.dir };
    using segment = Segment.open({ name: args.segment, size: args.size, dir: args.dir });
    const count = short ? 30 : 500;

    const host = await scene.start('worker-host');
    await host.call('open', args);
    const before = segment.stats().participants;
    findings.check('this process and the host take part', before === 2, before);
    await endWorkers(findings, host, args, count, 'work', 'terminated in mid-operation');
    await endWorkers(findings, host, args, short ? 6 : 60, 'exit', 'that call process.exit');
    findings.check('their places are free', segment.stats().participants === before, segment.stats().participants);
    const ms = await host.call<number | string>('endHolder', args);
    findings.check('a lock ends with the worker that held it, within 100 ms', Number(ms) < 100, ms);
    await host.kill();

    // Node unloads an addon with the last worker that had it, where the main thread has not
    const bare = await scene.start('worker-host');
    await endWorkers(findings, bare, args, short ? 6 : 60, 'work', 'in a process whose main thread has no backend');
    findings.check('their places are free too', segment.stats().participants === 1, segment.stats().participants);
    const ends: string[] = [];
    for (let i = 0; i < (short ? 2 : 20); i++) {
      const leaving = i === 0 ? bare : await scene.start('worker-host');
      void leaving.call('exitAmongWorkers', args, 3).catch(() => {});
      const { code, signal } = await leaving.ended;
      ends.push(String(signal ?? code));
    }
    findings.check(
      'process.exit(7) among working workers ends with 7',
      ends.every((end) => end === '7'),
      ends,
    );
    findings.check('and frees all places', segment.stats().participants === 1, segment.stats().participants);
    const { wipes, recoveries } = segment.stats();
    findings.check('nothing was wiped', wipes === 0, { wipes, recoveries });

    const crowd = await scene.start('worker-host');
    const links = join(scene.makeDirectory(), 'links');
    const full = await crowd.call<{ opened: number; seen: number; inside: number; code: string; message: string }>(
      'manyPaths',
      { ...args, segment: 'crowd', size: '1M' },
      links,
      300,
    );
    findings.check('256 participants see each other', full.opened === 256 && full.seen === 256 && full.inside === 256, {
      opened: full.opened,
      seen: full.seen,
    });
    findings.check('the next one is refused', full.code === 'ERR_STOCKPILE_SHM_SLOTS', full.message);
    using after = Segment.open({ name: 'crowd', size: '1M', dir: scene.dir });
    findings.check('when they have left, places are free', after.stats().participants === 1);
    return findings.outcome(
      `${short ? 42 : 620} workers ended in mid-operation, ${short ? 2 : 20} processes with 3 workers each, 257 participants`,
    );
  },
};

async function endWorkers(
  findings: Findings,
  host: Child,
  args: ShmArguments,
  count: number,
  way: 'work' | 'exit',
  what: string,
): Promise<void> {
  const ended = await host
    .callFor<Ended>(120_000, 'endWorkers', args, count, way)
    .catch((error: Error) => ({ problems: [error.message], operations: 0 }));
  findings.check(
    `${count} workers ${what}: no crash, no damage`,
    ended.problems.length === 0,
    ended.problems.slice(0, 3),
  );
  findings.note(`meanwhile its main thread did ${ended.operations} rounds`);
}
