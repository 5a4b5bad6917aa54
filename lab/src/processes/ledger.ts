/** How long operations took, how they failed, and what was wrong. */

import { StockpileError } from '@stockpile/core';
import type { OutageReport, Phase, PhaseReport } from '../outages/task.js';
import { describe, ownTime, waitedForCpu } from './own-process.js';

/** What an operation may take beyond its timeout, ms. */
const MARGIN_MS = 100;
/** Of the same kind; one bug shows in thousands of operations. */
const MOST_LINES = 12;
const EXPECTED = new Set(['ERR_STOCKPILE_BACKEND_UNAVAILABLE', 'ERR_STOCKPILE_BACKEND_TIMEOUT']);

/** Several calls of the backend, each of which may take the whole timeout: what is seen is the sum of two. */
const COMPOSED = /^(getOrCreate|increment)/;
/** Creations, and invalidations where they are kept in the process. */
const ANSWERED_HERE = /^(getOrCreate|invalidate)/;

type Counts = { -readonly [K in keyof PhaseReport]: PhaseReport[K] } & { readonly codes: Record<string, number> };

export class Ledger {
  phase: Phase = 'before';
  /** Nothing gets through to any server now: whoever says that it does is wrong. */
  cutOff = false;
  readonly wrong: string[] = [];
  readonly problems: string[] = [];
  readonly late: string[] = [];
  readonly #phases: Record<Phase, Counts> = { before: counts(), fault: counts(), after: counts() };
  readonly #running = new Map<symbol, { readonly what: string; readonly began: number }>();
  #wrongCount = 0;
  readonly #started = performance.now();

  constructor(
    /** ms, of the region. */
    private readonly timeout: number,
    /** ms that a creation may wait for another's lock. */
    private readonly lockTimeout: number,
  ) {}

  noteWrong(what: string): void {
    this.#wrongCount++;
    this.#line(this.wrong, what);
  }

  noteProblem(what: string): void {
    this.#line(this.problems, what);
  }

  noteLate(what: string): void {
    this.#line(this.late, what);
  }

  created(): void {
    this.#phases[this.phase].created++;
  }

  /** `undefined`: it failed, as it may. Whatever happens, it has to be settled in time. */
  async measure<T>(
    what: string,
    work: () => Promise<T>,
    failed: (error: StockpileError) => void = () => {},
  ): Promise<{ readonly value: T } | undefined> {
    const creates = what.startsWith('getOrCreate');
    const id = Symbol(what);
    const { cutOff } = this;
    const began = ownTime();
    this.#running.set(id, { what, began });
    try {
      const value = await work();
      if (cutOff && this.cutOff && !ANSWERED_HERE.test(what))
        this.noteProblem(`${what}: an outage was taken for an answer`);
      return { value };
    } catch (error) {
      this.#failure(what, error, creates);
      failed(error as StockpileError);
      return undefined;
    } finally {
      this.#running.delete(id);
      const ms = ownTime() - began;
      const of = this.#phases[this.phase];
      of.operations++;
      if (what.startsWith('get ')) of.gets++;
      if (creates) of.longestCreation = Math.max(of.longestCreation, ms);
      else of.longest = Math.max(of.longest, ms);
      const calls = COMPOSED.test(what) ? 2 : 1;
      const limit = calls * this.timeout + MARGIN_MS + (creates ? this.lockTimeout : 0);
      if (ms > limit) this.noteProblem(`${what} took ${ms.toFixed(0)} ms, of ${limit}`);
    }
  }

  /** What was begun and never settled. */
  noteHanging(): void {
    for (const { what, began } of this.#running.values()) {
      this.noteProblem(`${what} hangs for ${(ownTime() - began).toFixed(0)} ms`);
    }
  }

  report(): Omit<OutageReport, 'left'> {
    const { wrong, problems, late } = this;
    const starved = waitedForCpu() / (performance.now() - this.#started);
    return { phases: this.#phases, wrong, wrongCount: this.#wrongCount, problems, late, starved };
  }

  #failure(what: string, error: unknown, creates: boolean): void {
    const of = this.#phases[this.phase];
    of.failed++;
    if (what.startsWith('get ')) of.failedGets++;
    const code = error instanceof StockpileError ? error.code : 'untyped';
    of.codes[code] = (of.codes[code] ?? 0) + 1;
    if (creates || !EXPECTED.has(code)) this.noteProblem(`${what} failed: ${describe(error)}`);
    else if (this.phase === 'before') this.noteLate(`${what} failed before the fault: ${describe(error)}`);
  }

  #line(lines: string[], what: string): void {
    const at = `${((performance.now() - this.#started) / 1000).toFixed(2)} s, ${this.phase}`;
    if (lines.length < MOST_LINES) lines.push(`${at}: ${what}`);
    else lines[MOST_LINES] = `and ${Number(/\d+/.exec(lines[MOST_LINES] ?? '0')?.[0]) + 1} more`;
  }
}

function counts(): Counts {
  return { operations: 0, failed: 0, gets: 0, failedGets: 0, longest: 0, longestCreation: 0, created: 0, codes: {} };
}
