/** Counters through an outage: what was acknowledged counts once, what failed once or not at all. */

import { NO_VALUE, type Region } from '@stockpile/core';
import type { Losses } from '../outages/task.js';
import type { Ledger } from './ledger.js';

/** Counters that all lanes use; half of the increments go to counters of their own. */
const SHARED = 5;
const AT_ONCE = 100;

interface Counted {
  acknowledged: number;
  failed: number;
  /** What increments have answered. */
  readonly sums: Set<number>;
}

export class Counters {
  readonly #counted = new Map<string, Counted>();
  #single = 0;

  constructor(
    private readonly region: Region,
    private readonly ledger: Ledger,
    private readonly loses: Losses,
  ) {}

  async increment(): Promise<void> {
    const { region, ledger } = this;
    const key = Math.random() < 0.5 ? `n${Math.floor(Math.random() * SHARED)}` : `u${this.#single++}`;
    const counted = this.#counted.get(key) ?? { acknowledged: 0, failed: 0, sums: new Set() };
    this.#counted.set(key, counted);
    const answer = await ledger.measure(
      `increment ${key}`,
      () => region.increment(key),
      () => void counted.failed++,
    );
    if (answer === undefined) return;
    counted.acknowledged++;
    if (this.loses === 'nothing' && counted.sums.has(answer.value)) {
      ledger.noteWrong(`increment ${key}: ${answer.value}, twice`);
    }
    counted.sums.add(answer.value);
  }

  /** False: not all could be read. */
  async lookAgain(): Promise<boolean> {
    const keys = [...this.#counted.keys()];
    for (let at = 0; at < keys.length; at += AT_ONCE) {
      const asked = keys.slice(at, at + AT_ONCE);
      const read = await this.ledger.measure('getMulti', () => this.region.getMulti(asked));
      if (read === undefined) return false;
      for (const [i, key] of asked.entries()) this.#check(key, read.value[i]);
    }
    return true;
  }

  #check(key: string, found: unknown): void {
    const { acknowledged, failed } = this.#counted.get(key) as Counted;
    const sum = found === NO_VALUE ? 0 : Number(found);
    const least = this.loses === 'nothing' ? acknowledged : 0;
    if (sum >= least && sum <= acknowledged + failed) return;
    this.ledger.noteWrong(`counter ${key}: ${sum}, with ${acknowledged} acknowledged and ${failed} failed increments`);
  }
}
