/** The demo's table: a row for each run. */

import { count, duration, type Paint, percent } from './format.js';
import { type Column, tableLines } from './table.js';
import type { Result } from './workload.js';

export interface Run {
  /** The backend's. */
  readonly name: string;
  readonly result: Result;
}

/** The table and how to read it. `width` in characters; `undefined`: no limit. */
export function resultLines(runs: readonly Run[], uncached: string, width: number | undefined, paint: Paint): string[] {
  const baseline = runs.find(({ name }) => name === uncached)?.result;
  const columns: Column<Run>[] = [
    { title: 'backend', text: ({ name }) => (name === uncached ? `${name} (uncached)` : name), align: 'left' },
    { title: 'requests', text: ({ result }) => count(result.requests), rank: 3 },
    { title: 'in', text: ({ result }) => duration(result.elapsed), rank: 4 },
    { title: 'requests/s', text: ({ result }) => count(result.requests / (result.elapsed / 1000)) },
    { title: 'hit ratio', text: ({ result }) => percent(result.hitRatio) },
    { title: 'creator calls', text: ({ result }) => count(result.creatorCalls), rank: 5 },
    { title: 'p50', text: ({ result }) => duration(result.p50), rank: 1 },
    { title: 'p99', text: ({ result }) => duration(result.p99), rank: 2 },
    {
      title: 'time saved',
      text: ({ name, result }) =>
        baseline === undefined || name === uncached ? '-' : duration(timeSaved(result, baseline)),
    },
  ];
  const [titles = '', rule = '', ...rows] = tableLines(columns, runs, width);
  return [
    paint('bold', titles),
    paint('dim', rule),
    ...rows,
    paint(
      'dim',
      'Every run starts with an empty cache and gets the same requests; hit ratio: answers out of the cache.',
    ),
    paint(
      'dim',
      "Time saved: what the run's requests would have taken at the pace of the uncached run, minus what they took.",
    ),
  ];
}

/** ms. What `result`'s requests would have cost at the pace of the uncached run, minus what they did cost. */
export function timeSaved(result: Result, uncached: Result): number {
  return result.requests * (uncached.elapsed / Math.max(1, uncached.requests)) - result.elapsed;
}
