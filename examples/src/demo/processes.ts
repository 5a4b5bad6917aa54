/** The same packages, wanted by several processes at the same time: who computes what? */

import type { Place } from './backends.js';
import type { Input } from './input.js';
import { UNCACHED } from './known.js';
import type { Progress } from './progress.js';
import { resultOf } from './result.js';
import type { Run } from './result-table.js';
import { Checked, LEAST_MS, type Outcome, REQUESTS } from './runs.js';
import { WorkerProcess } from './worker-process.js';
import type { Work } from './workload.js';

export interface Crew {
  readonly processes: number;
  /** Callers in each of them. */
  readonly callers: number;
  readonly place: Place;
}

/** For what a worker does besides its run, and for the creators that the end of the run finds at work, ms. */
const ANSWER_MS = 15_000;

/** Runs each backend in fresh processes. `deadline` and `seconds` as in `runAll`. */
export async function runProcesses(
  backends: readonly string[],
  crew: Crew,
  input: Input,
  seconds: number,
  seed: number,
  deadline: number,
  progress: Progress,
): Promise<Outcome> {
  const runs: Run[] = [];
  const checked = new Checked(input);
  for (const [index, backend] of backends.entries()) {
    const uncached = backend === UNCACHED;
    const share = (deadline - performance.now()) / (backends.length - index);
    const limit = uncached ? seconds * 1000 : Math.max(LEAST_MS, share);
    progress.start(uncached ? 'uncached' : backend, 'requests');
    const total = crew.processes * REQUESTS;
    const works = await runBackend(backend, crew, input, seed, limit, checked, (done, elapsed) =>
      progress.update(done, Math.max(done / total, uncached ? elapsed / limit : 0)),
    );
    progress.stop();
    const stopped = !uncached && works.some(({ answers }) => answers.size < input.packages.length);
    runs.push({ name: backend, result: resultOf(works), stopped });
  }
  return { runs, checked: checked.reports, problems: checked.problems };
}

async function runBackend(
  backend: string,
  { processes, callers, place }: Crew,
  { packages }: Input,
  seed: number,
  limit: number,
  checked: Checked,
  onProgress: (done: number, elapsed: number) => void,
): Promise<Work[]> {
  const workers: WorkerProcess[] = [];
  const nameOf = (index: number): string => `${backend} in process ${index + 1} of ${processes}`;
  try {
    for (let index = 0; index < processes; index++) workers.push(new WorkerProcess(nameOf(index)));
    // each step waits for all: nobody asks before everybody can, nobody leaves while another still works
    await Promise.all(workers.map((worker) => worker.ask('open', { backend, place, packages }, ANSWER_MS)));
    const started = performance.now();
    const done = new Array<number>(processes).fill(0);
    const works = await Promise.all(
      workers.map((worker, index) =>
        worker.ask(
          'run',
          { requests: REQUESTS, seed: seed + 1 + index, callers, limit },
          limit + ANSWER_MS,
          (requests) => {
            done[index] = requests;
            const total = done.reduce((sum, one) => sum + one);
            onProgress(total, performance.now() - started);
          },
        ),
      ),
    );
    const held =
      backend === UNCACHED
        ? []
        : await Promise.all(workers.map((worker) => worker.ask('readBack', undefined, ANSWER_MS)));
    for (const [index, { answers }] of works.entries()) {
      await checked.compare(nameOf(index), answers, held[index]);
    }
    return works;
  } finally {
    await Promise.all(workers.map((worker) => worker.end()));
  }
}
