/** A wall clock that jumps by an hour in one process: what is stored ends on time all the same, and for the others not before. */

import type { Experiment } from '../experiment.js';
import type { Child } from '../processes/children.js';
import { Findings } from '../processes/findings.js';
import { Scene } from '../processes/scene.js';

const HOUR = 3_600_000;
const COUNT = 500;
const TTL = 1000;

export const experiment: Experiment = {
  name: 'node-clock',
  describe:
    'the wall clock of single processes jumps by an hour, forth and back: no entry outlives its ttl, none ends early for others',
  async run({ short, log }) {
    const findings = new Findings(log);
    await using scene = new Scene();
    const clock = new URL('../processes/shifted-clock.js', import.meta.url).href;
    const peers = await scene.startMany(4, 'peer', { execArgv: ['--import', clock] });
    const [one, other, ahead, behind] = peers as [Child, Child, Child, Child];
    const args = { segment: 'clock', size: '4M', dir: scene.dir, nearCache: { maxItems: 2000 } };
    for (const peer of peers) await peer.call('open', args, { grace: 0 });

    await one.call('fill', 'v', COUNT, 100, { expirationTime: '10m' });
    const all = async (): Promise<number[]> =>
      (await Promise.all(peers.map((peer) => peer.call<{ found: number }>('verify', 'v', COUNT)))).map(
        ({ found }) => found,
      );
    const before = await all();
    findings.check(
      'everybody sees all entries, and keeps them near',
      before.every((found) => found === COUNT),
      before,
    );
    for (let jump = 1; jump <= (short ? 1 : 5); jump++) {
      await ahead.call('shift', HOUR);
      await behind.call('shift', -HOUR);
      const after = await all();
      findings.check(
        `jump ${jump}: nothing ends for those whose clock is right`,
        after[0] === COUNT && after[1] === COUNT,
        after,
      );
      findings.note(`the one ahead finds ${after[2]} of ${COUNT} fresh, the one behind ${after[3]}`);

      const keys = peers.map((_, i) => `t${jump}.${i}`);
      await Promise.all(peers.map((peer, i) => peer.call('region', 'set', keys[i], i, { expirationTime: TTL })));
      await Promise.all(peers.map((peer) => peer.call('watch', keys, 100))); // now they are near
      await ahead.call('shift', HOUR);
      await behind.call('shift', -HOUR);
      const seen = await Promise.all(peers.map((peer) => peer.call<Record<string, number>>('watch', keys, TTL + 2500)));
      const latest = Math.max(...seen.flatMap((each) => Object.values(each)));
      findings.check(
        `jump ${jump}: none of 4 entries outlives its ttl of ${TTL} ms by 2 s, in any of 4 processes`,
        latest + 100 < TTL + 2000,
        `last seen ${(latest + 100).toFixed(0)} ms after it was stored`,
      );
      const full = Math.max(seen[1]?.[keys[0] as string] ?? 0, 0) + 100;
      findings.check(
        `jump ${jump}: and with a right clock it lives to its end`,
        full > TTL - 200,
        `${full.toFixed(0)} ms`,
      );
      await ahead.call('shift', -2 * HOUR);
      await behind.call('shift', 2 * HOUR);
      const again = await all();
      findings.check(
        `jump ${jump}: set right again, everybody sees all`,
        again.every((found) => found === COUNT),
        again,
      );
      const told = other.call('region', 'waitFor', 'signal', { equals: jump, timeout: 5000 });
      await behind.call('shift', -HOUR);
      await behind.call('region', 'set', 'signal', jump);
      findings.check(`jump ${jump}: events of the one behind reach the others`, (await told) === true);
      await behind.call('region', 'delete', 'signal');
      await behind.call('shift', HOUR);
    }
    return findings.outcome(
      `${short ? 1 : 5} times: the wall clock of one process an hour ahead, of one an hour behind, and back`,
    );
  },
};
