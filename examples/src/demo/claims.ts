/** What the runs in several processes show, in words made of what was counted. */

import { count, duration, plural } from './format.js';
import { isShared, promisesOneCall, SHARED } from './known.js';
import { callsPerKey, type Run } from './result-table.js';

/** `shm: 371 packages, 371 creator calls by 4 processes (one for each package); lru: 1,484 (…).` */
export function claimsOf(runs: readonly Run[]): string[] {
  const [first, second, ...more] = runs;
  if (first === undefined || second === undefined || more.length > 0) return runs.map((run) => `${inFull(run)}.`);
  return [`${inFull(first)}; ${inShort(second)}.`];
}

/** A text for each run that broke its backend's promise. */
export function brokenPromises(runs: readonly Run[]): string[] {
  return runs
    .filter(({ name, result }) => promisesOneCall(name) && result.mostCalls > 1)
    .map(
      ({ name, result }) =>
        `Not one creator call per key: ${name} made up to ${count(result.mostCalls)} for one package${failures(result)}` +
        `${name === SHARED ? '' : '; a server that is full evicts entries, which are then created again'}.`,
    );
}

function inFull(run: Run): string {
  const { keys, creatorCalls, processes } = run.result;
  const by = `by ${plural(processes, 'process', 'processes')}`;
  return `${run.name}: ${plural(keys, 'package')}, ${plural(creatorCalls, 'creator call')} ${by} (${reading(run)})`;
}

function inShort(run: Run): string {
  return `${run.name}: ${count(run.result.creatorCalls)} (${reading(run)})`;
}

function reading({ name, result, stopped }: Run): string {
  const { fewestCalls, mostCalls, processes, elapsed } = result;
  const end = stopped ? `, stopped after ${duration(elapsed)}` : '';
  if (isShared(name) && !promisesOneCall(name)) return `${withoutPromise(name, result)}${end}`;
  if (mostCalls === 1) return `one for each package${end}`;
  if (fewestCalls === processes && mostCalls === processes) return `each process computes each report for itself${end}`;
  return `${callsPerKey(result)} for each package${end}`;
}

/** No more than one is usual there: what can be in the way of it is said in either case. */
function withoutPromise(name: string, result: Run['result']): string {
  return result.mostCalls === 1
    ? `one for each package, as long as ${name} evicts neither a lock nor an entry`
    : `${callsPerKey(result)} for each package${failures(result)}; a lock or an entry that ${name} evicts means one more`;
}

function failures({ errors }: Run['result']): string {
  return errors > 0 ? `, and ${plural(errors, 'operation')} of the backend failed` : '';
}
