/** Faults one after the other, in any order and of any length, on one region object: each has to be overcome. */

import type { Experiment } from '../experiment.js';
import { judge, unlessStarved } from '../outages/judge.js';
import { inTurns } from '../outages/pool.js';
import { runCase } from '../outages/run-case.js';
import { whyNoServers } from '../outages/servers.js';
import { singleServer, threeMemcached } from '../outages/single-server.js';
import type { Stage, Trouble } from '../outages/stage.js';
import type { BackendName, Losses } from '../outages/task.js';
import { Findings } from '../processes/findings.js';
import { Scene } from '../processes/scene.js';

interface Storm {
  readonly name: string;
  readonly backend: BackendName;
  readonly loses: Losses;
  readonly partial: boolean;
  readonly troubles: readonly Trouble[];
  stage(seed: number): Promise<Stage>;
}

const HARMLESS: readonly Trouble[] = [
  ...(['refuse', 'reset', 'blackHole', 'halfAnswer', 'finAfterHalf', 'drip', 'garbage', 'badLengths'] as const),
  ...(['fin', 'flap', 'pause'] as const),
];
const ALL: readonly Trouble[] = [...HARMLESS, 'restart', 'kill'];

const STORMS: readonly Storm[] = [
  ...(['redis', 'memcached', 'keyv'] as const).flatMap((backend) => [
    {
      ...{ name: `${backend}, on the way`, backend, loses: 'nothing' as const, partial: false, troubles: HARMLESS },
      stage: (seed: number) => singleServer(backend, seed),
    },
    {
      ...{ name: `${backend}, everything`, backend, loses: 'all' as const, partial: false, troubles: ALL },
      stage: (seed: number) => singleServer(backend, seed),
    },
  ]),
  {
    ...{ name: 'one of three memcached', backend: 'memcached', loses: 'all', partial: true, troubles: ALL },
    stage: (seed) => threeMemcached({ seed }),
  },
];

/** ms that a fault lasts. */
const [SHORTEST, LONGEST] = [50, 2500];
/** ms that a fault and the recovery from it take, about. */
const EACH = 2000;

export const experiment: Experiment = {
  name: 'fault-storms',
  describe: 'random faults of networks and servers one after the other on one region, for a minute',
  onServers: true,
  async run({ short, seconds = short ? 6 : 60, log }) {
    const findings = new Findings(log);
    const missing = await whyNoServers();
    if (missing !== undefined) {
      findings.skip('storms', missing);
      return findings.outcome('');
    }
    await using scene = new Scene();
    const count = Math.max(1, Math.round((seconds * 1000) / EACH));
    await inTurns(STORMS.length, STORMS, (storm) => rage(scene, findings, storm, count));
    return findings.outcome(`${STORMS.length} regions × ${count} faults in any order`);
  },
};

async function rage(scene: Scene, findings: Findings, storm: Storm, count: number): Promise<void> {
  const { name, backend, loses, partial, troubles: kinds } = storm;
  let troubles: Trouble[] = [];
  const result = await unlessStarved(
    async () => {
      await using stage = await storm.stage(Math.floor(Math.random() * 1e9));
      troubles = Array.from({ length: count }, () => kinds[Math.floor(Math.random() * kinds.length)] as Trouble);
      return await runCase(scene, stage, {
        task: { backend, loses },
        troubles,
        partial,
        duration: () => SHORTEST + Math.random() ** 2 * (LONGEST - SHORTEST),
        calm: 200,
      });
    },
    (why) => findings.note(`${name}: ${why}`),
  );
  judge(findings, name, result);
  findings.note(
    `${name}: ${troubles.map((trouble, i) => `${trouble} ${result.recoveredIn[i]?.toFixed(0)}`).join(', ')}`,
  );
}
