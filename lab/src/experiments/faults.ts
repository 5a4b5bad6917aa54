/** The fault table: each way in which a server or the network fails × each backend on servers. */

import type { Experiment } from '../experiment.js';
import { FAULT_CASES, type FaultCase, MORE_CASES } from '../outages/fault-list.js';
import { faultTable, type TableEntry } from '../outages/fault-table.js';
import { judge, unlessStarved } from '../outages/judge.js';
import { inTurns } from '../outages/pool.js';
import { type CaseResult, runCase } from '../outages/run-case.js';
import { whyNoServers } from '../outages/servers.js';
import { Findings } from '../processes/findings.js';
import { Scene } from '../processes/scene.js';

/** Cases at a time: they mostly wait. */
const AT_A_TIME = 8;
const ROUNDS = 5;

export const experiment: Experiment = {
  name: 'faults',
  describe: 'every fault of networks and servers × redis, memcached and keyv: the fault table',
  onServers: true,
  async run({ short, log }) {
    const findings = new Findings(log);
    const missing = await whyNoServers();
    if (missing !== undefined) {
      findings.skip('the fault table', missing);
      return findings.outcome('');
    }
    await using scene = new Scene();
    const rounds = short ? 1 : ROUNDS;
    const cases = short ? FAULT_CASES : [...FAULT_CASES, ...MORE_CASES];
    const entries = await inTurns(AT_A_TIME, cases, (one) => repeat(scene, findings, one, short, rounds));
    const outcome = findings.outcome(`${cases.length} faults × ${rounds}`);
    return { ...outcome, table: faultTable(entries) };
  },
};

async function repeat(
  scene: Scene,
  findings: Findings,
  one: FaultCase,
  short: boolean,
  rounds: number,
): Promise<TableEntry> {
  const { fault, backend } = one;
  const results: CaseResult[] = [];
  for (let round = 1; round <= rounds; round++) results.push(await once(scene, findings, one, short, round));
  return { fault, backend, results };
}

async function once(
  scene: Scene,
  findings: Findings,
  { fault, backend, trouble, loses, partial, helpsItself = false, stage: start }: FaultCase,
  short: boolean,
  round: number,
): Promise<CaseResult> {
  const name = `${backend}: ${fault}`;
  const result = await unlessStarved(
    async () => {
      await using stage = await start(round);
      return await runCase(scene, stage, {
        task: { backend, loses },
        troubles: [trouble],
        partial: partial || helpsItself,
        duration: () => (short ? 1200 : 500 + Math.random() * 4000),
        calm: 300,
      });
    },
    (why) => findings.note(`${name}: ${why}`),
  );
  judge(findings, name, result);
  if (result.report === undefined) return result;
  const { gets, failedGets, created } = result.report.phases.fault;
  findings.check(`${name}: creators serve`, created > 0);
  // a third of the keys is concerned
  if (partial) findings.check(`${name}: the others serve`, failedGets < gets / 2, `${failedGets} of ${gets} get fail`);
  return result;
}
