/** One fault, one backend: a process of its own that works on a region before, during and after it. */

import { setTimeout as after } from 'node:timers/promises';
import type { Child } from '../processes/children.js';
import { waitedForCpu } from '../processes/own-process.js';
import type { Scene } from '../processes/scene.js';
import type { Stage, Trouble } from './stage.js';
import type { OutageReport, OutageTask, Phase } from './task.js';

/** ms, of the region: every operation has to be settled in that time, and 100 ms. */
export const TIMEOUT_MS = 500;
/** ms from the end of a fault until the region has to be of use again. */
export const RECOVERY_MS = 2000;
/** What a process may take to end that has nothing to do, ms. */
const END_MS = 10_000;

/** Through these nothing gets. */
const DEAD: ReadonlySet<Trouble> = new Set(['refuse', 'reset', 'blackHole', 'pause', 'kill']);
/** From when on the state has to be known, ms: a call has had no answer by then. */
const NOTICED_MS = TIMEOUT_MS + 200;
/** Connections that may be opened in a second while nothing of use comes: by drivers and subscribers of two regions. */
const MOST_ATTEMPTS = 40;

export interface CaseResult {
  readonly report: OutageReport | undefined;
  /** ms from the end of each fault until a round trip succeeded. */
  readonly recoveredIn: readonly number[];
  /** What must not be, except for wrong values. */
  readonly failures: readonly string[];
  /** The same, where a machine that is too busy is an excuse. */
  readonly late: readonly string[];
  /** Of the time, the share in which this process or the other was ready to run and had no cpu. */
  readonly starved: number;
}

export interface CaseOptions {
  readonly task: Omit<OutageTask, 'args' | 'timeout'>;
  readonly troubles: readonly Trouble[];
  /** Other servers are spared, or will do instead. */
  readonly partial: boolean;
  /** ms that each fault lasts, at least. */
  readonly duration: () => number;
  /** ms before and after. */
  readonly calm: number;
}

export async function runCase(scene: Scene, stage: Stage, options: CaseOptions): Promise<CaseResult> {
  const { task, calm } = options;
  const full: OutageTask = { ...task, args: stage.args, timeout: TIMEOUT_MS };
  const child = await scene.start('outage-worker', { args: [JSON.stringify(full)] });
  const [failures, late]: [string[], string[]] = [[], []];
  const [began, waited] = [performance.now(), waitedForCpu()];
  const recoveredIn: number[] = [];
  let report: OutageReport | undefined;
  try {
    await child.call('begin');
    await after(calm);
    for (const [i, trouble] of options.troubles.entries()) {
      recoveredIn.push(await overcome(child, stage, trouble, i === 0, options, failures, late));
      await after(calm);
    }
    report = await child.call<OutageReport>('finish');
    late.push(...report.late);
    failures.push(...report.problems, ...report.left.map((what) => `left open: ${what}`));
    await ends(child, failures);
  } catch (error) {
    failures.push(String(error));
  }
  await child.kill();
  const printed = `${child.stdout}${child.stderr}`.trim();
  if (printed !== '') failures.push(`printed: ${printed.slice(0, 500)}`);
  const own = (waitedForCpu() - waited) / (performance.now() - began);
  return { report, recoveredIn, failures, late, starved: Math.max(own, report?.starved ?? 0) };
}

/** ms from the end of the fault until a round trip succeeded; Infinity: none has. */
async function overcome(
  child: Child,
  stage: Stage,
  trouble: Trouble,
  isFirst: boolean,
  { partial, duration }: CaseOptions,
  failures: string[],
  late: string[],
): Promise<number> {
  await child.call('phase', 'fault' satisfies Phase);
  await stage.inject(trouble);
  if (DEAD.has(trouble) && !partial) await child.call('cutOff', true);
  const [connections, since, ms] = [stage.connections?.() ?? 0, performance.now(), duration()];
  await after(ms * 0.6);
  if (isFirst) await child.call('closeOther');
  if (await isUnnoticed(child, trouble, performance.now() - since)) late.push(`${trouble}: the server counts as up`);
  await after(ms * 0.4);
  const [opened, lasted] = [(stage.connections?.() ?? 0) - connections, performance.now() - since];
  if (trouble !== 'flap' && opened > MOST_ATTEMPTS * Math.max(1, lasted / 1000)) {
    failures.push(`${trouble}: ${opened} connections in ${lasted.toFixed(0)} ms`);
  }
  await child.call('cutOff', false);
  await stage.heal();
  await child.call('phase', 'after' satisfies Phase);
  const took = (await child.call<number | undefined>('recover')) ?? Infinity;
  if (took === Infinity) failures.push(`${trouble}: not recovered`);
  else if (took > RECOVERY_MS) late.push(`${trouble}: recovered after ${took.toFixed(0)} ms`);
  return took;
}

/** A server that is dead is known to be so after a while. */
async function isUnnoticed(child: Child, trouble: Trouble, ms: number): Promise<boolean> {
  const states = await child.call<readonly string[]>('states');
  return DEAD.has(trouble) && ms > NOTICED_MS && states.every((state) => state === 'up');
}

/** Nobody keeps it any more. */
async function ends(child: Child, failures: string[]): Promise<void> {
  child.disconnect();
  const end = await Promise.race([child.ended, after(END_MS, undefined, { ref: false })]);
  if (end === undefined) failures.push(`the process has not ended ${END_MS} ms after the region was closed`);
  else if (end.code !== 0) failures.push(`the process ended with ${end.signal ?? end.code}`);
}
