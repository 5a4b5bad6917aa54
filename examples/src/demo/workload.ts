/** Many concurrent callers ask a region for reports, all from one sequence of requests. */

import { setImmediate } from 'node:timers/promises';
import type { Region } from '@stockpile/core';
import type { InstalledPackage } from './packages.js';
import { makeReport, type Report } from './report.js';

export interface Workload {
  readonly packages: readonly InstalledPackage[];
  /** Indexes into `packages`, in the order of the requests. */
  readonly sequence: Uint32Array;
  /** How many callers ask at a time. */
  readonly workers: number;
}

export interface Result {
  readonly requests: number;
  /** ms from the first request to the last answer. */
  readonly elapsed: number;
  /** Answers that came out of the cache, of all: 0 to 1. */
  readonly hitRatio: number;
  readonly creatorCalls: number;
  /** ms. */
  readonly p50: number;
  readonly p99: number;
  /** The last answer for each key that was asked for. */
  readonly answers: ReadonlyMap<string, Report>;
}

/** After so many requests a caller lets timers and sockets have their turn, as a server would. */
const REQUESTS_PER_TURN = 64;

/** Runs the sequence to its end, or for `limit` ms; `onProgress` hears how many requests are done, after how many ms. */
export async function runWorkload(
  region: Region<Report>,
  { packages, sequence, workers }: Workload,
  limit: number,
  onProgress: (done: number, elapsed: number) => void,
): Promise<Result> {
  const latencies = new Float64Array(sequence.length);
  const answers = new Map<string, Report>();
  const started = performance.now();
  let next = 0;
  let done = 0;
  let creatorCalls = 0;
  let failed = false;

  const caller = async (): Promise<void> => {
    while (next < sequence.length && !failed && performance.now() - started < limit) {
      const request = next++;
      const { key, directory } = packages[sequence[request] ?? 0] as InstalledPackage;
      const asked = performance.now();
      const report = await region.getOrCreate(key, () => {
        creatorCalls++;
        return makeReport(directory);
      });
      const answered = performance.now();
      latencies[request] = answered - asked;
      answers.set(key, report);
      onProgress(++done, answered - started);
      if (done % REQUESTS_PER_TURN === 0) await setImmediate();
    }
  };
  const fail = (error: unknown): never => {
    failed = true; // the other callers stop, too
    throw error;
  };
  await Promise.all(Array.from({ length: workers }, () => caller().catch(fail)));

  const elapsed = performance.now() - started;
  const { hits, staleHits, misses } = region.stats();
  const sorted = latencies.subarray(0, done).sort();
  return {
    requests: done,
    elapsed,
    hitRatio: (hits + staleHits) / Math.max(1, hits + staleHits + misses),
    creatorCalls,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    answers,
  };
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}
