/** A worker process of the demo. It does what it is told over IPC, and ends when that channel closes. */

import type { Region } from '@stockpile/core';
import { openRegion } from './backends.js';
import { readBack } from './check.js';
import type { Report } from './report.js';
import { isInterrupted, onSignals } from './signals.js';
import type { Reply, Task, Tasks } from './worker-protocol.js';
import { runWorkload, type Work } from './workload.js';
import { coveringSequence } from './zipf.js';

const PROGRESS_MS = 100;

let region: Region<Report> | undefined;
let packages: Tasks['open']['details']['packages'] = [];
let answers: Work['answers'] = new Map();

async function perform(task: Task): Promise<Tasks[Task['name']]['answer']> {
  if (task.name === 'open') {
    packages = task.details.packages;
    region = openRegion(task.details.backend, task.details.place);
    return;
  }
  if (region === undefined) throw new Error(`'${task.name}' before 'open'`);
  if (task.name === 'readBack') return readBack(region, packages, answers);
  const work = await run(region, task.details);
  answers = work.answers;
  return work;
}

async function run(opened: Region<Report>, { requests, seed, callers, limit }: Tasks['run']['details']): Promise<Work> {
  const sequence = coveringSequence(packages.length, requests, seed);
  let told = 0;
  return runWorkload(opened, { packages, sequence, callers }, limit, (done, elapsed) => {
    if (elapsed - told < PROGRESS_MS) return;
    told = elapsed;
    say({ kind: 'progress', done });
  });
}

function say(reply: Reply): void {
  // the callback takes the error of a channel that has just closed: 'disconnect' tells us, too
  if (process.connected && !isInterrupted()) process.send?.(reply, undefined, undefined, () => {});
}

/** In good order: the last process to do so removes a shared segment. */
async function letGo(): Promise<void> {
  await region?.close().catch(() => {});
}

process.on('message', (task: Task) => {
  perform(task).then(
    (answer) => say({ kind: 'answer', answer }),
    (error) => say({ kind: 'failed', message: error instanceof Error ? error.message : String(error) }),
  );
});
process.once('disconnect', () => void letGo().finally(() => process.exit()));
onSignals(letGo); // Ctrl-C reaches every process of the terminal
