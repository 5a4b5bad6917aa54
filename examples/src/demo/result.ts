/** What the work of one process, or of several at the same time, comes to. */

import type { Work } from './workload.js';

export interface Result {
  readonly processes: number;
  readonly requests: number;
  /** ms from the first request to the last answer. */
  readonly elapsed: number;
  /** Answers that came out of the cache, of all: 0 to 1. */
  readonly hitRatio: number;
  /** Keys that were asked for. */
  readonly keys: number;
  readonly creatorCalls: number;
  /** For the key with the fewest, and for the one with the most. */
  readonly fewestCalls: number;
  readonly mostCalls: number;
  /** ms. */
  readonly p50: number;
  readonly p99: number;
  /** Operations of the backend that failed. */
  readonly errors: number;
}

export function resultOf(works: readonly Work[]): Result {
  const latencies = merged(works.map((work) => work.latencies));
  const hits = sum(works.map((work) => work.hits));
  const misses = sum(works.map((work) => work.misses));
  const keys = [...new Set(works.flatMap(({ answers }) => [...answers.keys()]))];
  const calls = keys.map((key) => sum(works.map(({ creatorCalls }) => creatorCalls.get(key) ?? 0)));
  return {
    processes: works.length,
    requests: latencies.length,
    elapsed: Math.max(...works.map(({ ended }) => ended)) - Math.min(...works.map(({ started }) => started)),
    hitRatio: hits / Math.max(1, hits + misses),
    keys: keys.length,
    creatorCalls: sum(calls),
    fewestCalls: calls.reduce((a, b) => Math.min(a, b), Infinity),
    mostCalls: calls.reduce((a, b) => Math.max(a, b), 0),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    errors: sum(works.map((work) => work.errors)),
  };
}

function merged(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(sum(parts.map(({ length }) => length)));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.sort();
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
