/** The same requests to each backend in turn, and whether its answers are right. */

import { type Backend, UNCACHED } from './backends.js';
import { differences, readBack } from './check.js';
import type { Input } from './input.js';
import type { Options } from './options.js';
import type { Progress } from './progress.js';
import type { Run } from './result-table.js';
import { runWorkload } from './workload.js';
import { zipfSequence } from './zipf.js';

/** To each cached backend; the uncached run gets through the beginning of the same sequence. */
const REQUESTS = 50_000;
/** What a run gets in any case. */
const LEAST_MS = 500;

export interface Outcome {
  readonly runs: readonly Run[];
  /** How many reports were compared, all runs together. */
  readonly checked: number;
  /** A text for each wrong one. */
  readonly problems: readonly string[];
}

/** `deadline`, on the clock of `performance`: the runs share the time until then. */
export async function runAll(
  backends: readonly Backend[],
  { packages, expected }: Input,
  { workers, seconds }: Options,
  seed: number,
  deadline: number,
  progress: Progress,
): Promise<Outcome> {
  const workload = { packages, sequence: zipfSequence(packages.length, REQUESTS, seed), workers };
  const runs: Run[] = [];
  const problems = new Set<string>();
  let checked = 0;
  for (const [index, { name, region }] of backends.entries()) {
    const uncached = name === UNCACHED;
    const share = (deadline - performance.now()) / (backends.length - index);
    const limit = uncached ? seconds * 1000 : Math.max(LEAST_MS, share);
    progress.start(uncached ? 'uncached' : name, 'requests');
    const result = await runWorkload(region, workload, limit, (done, elapsed) =>
      progress.update(done, Math.max(done / REQUESTS, uncached ? elapsed / limit : 0)),
    );
    progress.stop();
    runs.push({ name, result });
    const seen = [result.answers];
    if (!uncached) seen.push(await readBack(region, packages, result.answers));
    for (const answers of seen) {
      for (const problem of await differences(name, packages, expected, answers)) problems.add(problem);
    }
    checked += result.answers.size;
  }
  return { runs, checked, problems: [...problems] };
}
