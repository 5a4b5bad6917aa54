/** The same requests to each backend in turn, and whether its answers are right. */

import type { Backend } from './backends.js';
import { differences, readBack } from './check.js';
import type { Input } from './input.js';
import { UNCACHED } from './known.js';
import type { Options } from './options.js';
import type { Progress } from './progress.js';
import type { Report } from './report.js';
import { resultOf } from './result.js';
import type { Run } from './result-table.js';
import { runWorkload } from './workload.js';
import { zipfSequence } from './zipf.js';

/** To each cached backend, of each process; the uncached run gets through the beginning of the same sequence. */
export const REQUESTS = 50_000;
/** What a run gets in any case. */
export const LEAST_MS = 500;

export interface Outcome {
  readonly runs: readonly Run[];
  /** How many reports were compared, all runs together. */
  readonly checked: number;
  /** A text for each wrong one. */
  readonly problems: readonly string[];
}

/** Compares reports with those computed directly, and keeps what was wrong. */
export class Checked {
  reports = 0;
  readonly #input: Input;
  readonly #problems = new Set<string>();

  constructor(input: Input) {
    this.#input = input;
  }

  get problems(): string[] {
    return [...this.#problems];
  }

  /** `answers` count; what the cache `held` of them afterwards is compared, too. */
  async compare(
    name: string,
    answers: ReadonlyMap<string, Report>,
    held: ReadonlyMap<string, Report> | undefined,
  ): Promise<void> {
    const { packages, expected } = this.#input;
    for (const seen of held === undefined ? [answers] : [answers, held]) {
      for (const problem of await differences(name, packages, expected, seen)) this.#problems.add(problem);
    }
    this.reports += answers.size;
  }
}

/** `deadline`, on the clock of `performance`: the runs share the time until then. */
export async function runAll(
  backends: readonly Backend[],
  input: Input,
  { callers, seconds }: Options,
  seed: number,
  deadline: number,
  progress: Progress,
): Promise<Outcome> {
  const { packages } = input;
  const workload = { packages, sequence: zipfSequence(packages.length, REQUESTS, seed), callers };
  const runs: Run[] = [];
  const checked = new Checked(input);
  for (const [index, { name, region }] of backends.entries()) {
    const uncached = name === UNCACHED;
    const share = (deadline - performance.now()) / (backends.length - index);
    const limit = uncached ? seconds * 1000 : Math.max(LEAST_MS, share);
    progress.start(uncached ? 'uncached' : name, 'requests');
    const work = await runWorkload(region, workload, limit, (done, elapsed) =>
      progress.update(done, Math.max(done / REQUESTS, uncached ? elapsed / limit : 0)),
    );
    progress.stop();
    runs.push({ name, result: resultOf([work]) });
    const held = uncached ? undefined : await readBack(region, packages, work.answers);
    await checked.compare(name, work.answers, held);
  }
  return { runs, checked: checked.reports, problems: checked.problems };
}
