/** Processes in PID namespaces of their own, as in containers: pids mean nothing to each other there. */

import { execFileSync } from 'node:child_process';
import type { Experiment } from '../experiment.js';
import type { Child } from '../processes/children.js';
import { Findings } from '../processes/findings.js';
import { Scene } from '../processes/scene.js';

const UNSHARE = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child=SIGKILL'];

export const experiment: Experiment = {
  name: 'node-pidns',
  describe: 'holders of locks in other PID namespaces: taken over when killed, never robbed while alive',
  async run({ short, log }) {
    const findings = new Findings(log);
    try {
      execFileSync(UNSHARE[0] as string, [...UNSHARE.slice(1), 'true'], { stdio: 'ignore' });
    } catch {
      findings.skip('everything', 'no PID namespaces may be made here');
      return findings.outcome('');
    }
    for (let round = 0; round < (short ? 1 : 20); round++) {
      await using scene = new Scene();
      const inside = { through: UNSHARE };
      const [one, two] = (await scene.startMany(2, 'peer', inside)) as [Child, Child];
      const outside = await scene.start('peer');
      for (const peer of [one, two, outside]) {
        await peer.call('openSegment', { name: 'spaces', size: '1M', lifetime: 'processes', dir: scene.dir });
        await peer.call('open', { segment: 'spaces', dir: scene.dir });
      }
      const pids = [await one.call('pid'), await two.call('pid')];
      findings.check('two processes are both pid 1', pids.join() === '1,1', pids.join());
      const { participants } = await outside.call<{ participants: number }>('stats');
      findings.check('all three take part', participants === 3, participants);

      await one.call('lock', 'a');
      await outside.call('lock', 'b');
      const robbed = [
        await outside.call('lock', 'a', 300),
        await two.call('lock', 'a', 300),
        await two.call('lock', 'b', 300),
      ];
      findings.check(
        'alive: never robbed, from inside or outside',
        robbed.every((got) => got === false),
        robbed,
      );
      const theirs = two.call('create', 'c', 'theirs');
      await two.event('began');
      const waiting = outside.call('quickly', 'c', 'ours');
      await one.kill();
      const began = performance.now();
      const got = await outside.call('lock', 'a', 500);
      const ms = performance.now() - began;
      findings.check('killed: taken over from outside within 200 ms', got === true && ms < 200, `${ms.toFixed(1)} ms`);
      await two.call('release');
      findings.check(
        'a creation inside is waited for outside',
        (await waiting) === 'theirs' && (await theirs) === 'theirs',
      );
      await outside.kill();
      const since = performance.now();
      const inner = await two.call('lock', 'b', 500);
      const innerMs = performance.now() - since;
      findings.check('killed outside: taken over inside', inner === true && innerMs < 200, `${innerMs.toFixed(1)} ms`);
      const other = (await scene.start('peer', inside)) as Child;
      const found = await other.call('openSegment', {
        name: 'spaces',
        size: '1M',
        lifetime: 'processes',
        dir: scene.dir,
      });
      findings.check('one that comes later finds the others alive', found === false);
      await two.kill();
      await other.kill();
      const last = await scene.start('peer');
      const fresh = await last.call('openSegment', {
        name: 'spaces',
        size: '1M',
        lifetime: 'processes',
        dir: scene.dir,
      });
      findings.check('when all are killed the next one finds it fresh', fresh === true);
    }
    return findings.outcome(
      `${short ? 1 : 20} times 5 processes in 4 PID namespaces, locks held across them, holders killed`,
    );
  },
};
