/** The demo's tables: a row for each run. */

import { count, duration, type Paint, percent } from './format.js';
import type { Result } from './result.js';
import { type Column, tableLines } from './table.js';

export interface Run {
  /** The backend's. */
  readonly name: string;
  readonly result: Result;
  /** Its time was over before every process had asked for every package. */
  readonly stopped?: boolean;
}

/** How tables are written. */
export interface Style {
  /** The backend whose runs are uncached. */
  readonly uncached: string;
  /** In characters; `undefined`: no limit. */
  readonly width: number | undefined;
  readonly paint: Paint;
}

const SPEED: readonly Column<Run>[] = [
  { title: 'requests', text: ({ result }) => count(result.requests), rank: 3 },
  { title: 'in', text: ({ result }) => duration(result.elapsed), rank: 4 },
  { title: 'requests/s', text: ({ result }) => count(result.requests / (result.elapsed / 1000)) },
  { title: 'hit ratio', text: ({ result }) => percent(result.hitRatio) },
];
const CALLS: Column<Run> = { title: 'creator calls', text: ({ result }) => count(result.creatorCalls) };
const LATENCIES: readonly Column<Run>[] = [
  { title: 'p50', text: ({ result }) => duration(result.p50), rank: 1 },
  { title: 'p99', text: ({ result }) => duration(result.p99), rank: 2 },
];

/** The table of the runs in one process, and how to read it. */
export function resultLines(runs: readonly Run[], style: Style): string[] {
  const { uncached } = style;
  const baseline = runs.find(({ name }) => name === uncached)?.result;
  const saved: Column<Run> = {
    title: 'time saved',
    text: ({ name, result }) =>
      baseline === undefined || name === uncached ? '-' : duration(timeSaved(result, baseline)),
  };
  return linesOf(
    runs,
    style,
    [backendColumn(uncached), ...SPEED, { ...CALLS, rank: 5 }, ...LATENCIES, saved],
    [
      'Every run starts with an empty cache and gets the same requests; hit ratio: answers out of the cache.',
      "Time saved: what the run's requests would have taken at the pace of the uncached run, minus what they took.",
    ],
  );
}

/** The same for runs in several processes at a time. */
export function processLines(runs: readonly Run[], style: Style): string[] {
  const processes: Column<Run> = { title: 'processes', text: ({ result }) => count(result.processes), rank: 6 };
  const perKey: Column<Run> = { title: 'per key', text: ({ result }) => callsPerKey(result) };
  return linesOf(
    runs,
    style,
    [backendColumn(style.uncached), processes, ...SPEED, CALLS, perKey, ...LATENCIES],
    [
      'The processes start together on empty caches, each with requests of its own, and each asks for every package.',
      'Creator calls: counted in the creators of all processes; per key: for each package.',
    ],
  );
}

/** ms. What `result`'s requests would have cost at the pace of the uncached run, minus what they did cost. */
export function timeSaved(
  result: Pick<Result, 'requests' | 'elapsed'>,
  uncached: Pick<Result, 'requests' | 'elapsed'>,
): number {
  return result.requests * (uncached.elapsed / Math.max(1, uncached.requests)) - result.elapsed;
}

/** `1`, or `1 to 4` where keys differ. No mean: it would hide a single call too many. */
export function callsPerKey({ fewestCalls, mostCalls }: Result): string {
  return fewestCalls === mostCalls ? count(mostCalls) : `${count(fewestCalls)} to ${count(mostCalls)}`;
}

function backendColumn(uncached: string): Column<Run> {
  return { title: 'backend', text: ({ name }) => (name === uncached ? `${name} (uncached)` : name), align: 'left' };
}

function linesOf(
  runs: readonly Run[],
  { width, paint }: Style,
  columns: readonly Column<Run>[],
  notes: readonly string[],
): string[] {
  const [titles = '', rule = '', ...rows] = tableLines(columns, runs, width);
  return [paint('bold', titles), paint('dim', rule), ...rows, ...notes.map((note) => paint('dim', note))];
}
