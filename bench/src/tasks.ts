/** What runs in processes of its own: each comparison, so that none inherits what another has taught V8 or left in the heap. */

import { fork } from 'node:child_process';
import { type GateResult, runGate, SUBJECTS } from './gate.js';
import { GROUPS, type Group } from './groups/index.js';
import { measure, type Rounds, type Settings, Skip } from './harness.js';
import { bytesPerEntry, type Holder, type ValueKind } from './heap.js';
import { serverSubjects } from './servers/subjects.js';

/** The numbers of a comparison, or why there are none. */
export type GroupRun = { readonly rounds: Rounds } | { readonly skipped: string };

interface Tasks {
  gate: { input: null; result: Record<string, GateResult> };
  /** `failed`: subjects that get no number. */
  group: { input: { group: string; settings: Settings; failed: readonly string[] }; result: GroupRun };
  heap: { input: { holder: Holder; kind: ValueKind }; result: number };
}
export type Task = keyof Tasks;

export const tasks: { readonly [T in Task]: (input: Tasks[T]['input']) => Promise<Tasks[T]['result']> } = {
  gate: async () => runGate([...SUBJECTS, ...(await serverSubjects())]),
  group: ({ group, settings, failed }) => runGroup(GROUPS[group] as Group, settings, failed),
  heap: async ({ holder, kind }) => bytesPerEntry(holder, kind),
};

async function runGroup(group: Group, settings: Settings, failed: readonly string[]): Promise<GroupRun> {
  try {
    if ('rounds' in group) return { rounds: await group.rounds(settings) };
    const contenders = await group.contenders();
    const admitted = contenders.filter(({ subject }) => subject === undefined || !failed.includes(subject));
    return { rounds: await measure(admitted, settings) };
  } catch (error) {
    if (error instanceof Skip) return { skipped: error.message };
    throw error;
  }
}

/** Runs a task in a fresh process. */
export function inChild<T extends Task>(task: T, input: Tasks[T]['input']): Promise<Tasks[T]['result']> {
  return new Promise((resolve, reject) => {
    const worker = new URL('./worker.js', import.meta.url);
    const child = fork(worker, [task, JSON.stringify(input)], { execArgv: ['--expose-gc'] });
    child.on('message', (result) => resolve(result as Tasks[T]['result']));
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${task} ${JSON.stringify(input)}: its process ended with ${code}`)));
  });
}
