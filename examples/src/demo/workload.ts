/** Many concurrent callers ask a region for reports, all from one sequence of requests. */

import { setImmediate } from 'node:timers/promises';
import type { Region } from '@stockpile/core';
import type { InstalledPackage } from './packages.js';
import { makeReport, type Report } from './report.js';

export interface Workload {
  readonly packages: readonly InstalledPackage[];
  /** Indexes into `packages`, in the order of the requests. */
  readonly sequence: Uint32Array;
  /** How many ask at a time. */
  readonly callers: number;
}

/** What one process did and saw. Plain data: it crosses from process to process. */
export interface Work {
  /** Of the first request and of the last answer; ms since 1970, so that those of several processes compare. */
  readonly started: number;
  readonly ended: number;
  /** ms, one for each request, ascending. */
  readonly latencies: Float64Array;
  /** Answers that came out of the cache, and those that did not. */
  readonly hits: number;
  readonly misses: number;
  /** Operations of the backend that failed; the creators served. */
  readonly errors: number;
  /** By key, counted in the creator itself. */
  readonly creatorCalls: ReadonlyMap<string, number>;
  /** The last answer for each key that was asked for. */
  readonly answers: ReadonlyMap<string, Report>;
}

/** After so many requests a caller lets timers and sockets have their turn, as a server would. */
const REQUESTS_PER_TURN = 64;

/** Runs the sequence to its end, or for `limit` ms; `onProgress` hears how many requests are done, after how many ms. */
export async function runWorkload(
  region: Region<Report>,
  { packages, sequence, callers }: Workload,
  limit: number,
  onProgress: (done: number, elapsed: number) => void,
): Promise<Work> {
  const latencies = new Float64Array(sequence.length);
  const answers = new Map<string, Report>();
  const creatorCalls = new Map<string, number>();
  const started = performance.now();
  let next = 0;
  let done = 0;
  let failed = false;

  const caller = async (): Promise<void> => {
    while (next < sequence.length && !failed && performance.now() - started < limit) {
      const request = next++;
      const { key, directory } = packages[sequence[request] ?? 0] as InstalledPackage;
      const asked = performance.now();
      const report = await region.getOrCreate(key, () => {
        creatorCalls.set(key, (creatorCalls.get(key) ?? 0) + 1);
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
  await Promise.all(Array.from({ length: callers }, () => caller().catch(fail)));

  const ended = performance.now();
  const { hits, staleHits, misses, errors } = region.stats();
  return {
    started: performance.timeOrigin + started,
    ended: performance.timeOrigin + ended,
    latencies: latencies.slice(0, done).sort(),
    hits: hits + staleHits,
    misses,
    errors,
    creatorCalls,
    answers,
  };
}
