/**
 * Counters, by compare-and-set: memcached's own add whole numbers only, stop at zero and keep no metadata. What is asked
 * for one key at once in this process is added up and stored once; other processes are met with pauses of random length.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { isCounterForm, NO_VALUE, type StockpileError, withDeadline } from '@stockpile/core';
import { entryEnd } from './entry.js';
import type { KeyPlace } from './place.js';
import { timedOut } from './statuses.js';

const NUMBER_BYTES = 8;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

interface Addition {
  readonly by: number;
  readonly initial: Uint8Array;
  readonly ttl: number;
  /** Of `performance.now()`. */
  readonly until: number;
  readonly resolve: (sum: number) => void;
  readonly reject: (error: StockpileError) => void;
}

export interface CounterStore {
  readonly timeout: number;
  place(key: string, until: number): KeyPlace;
  /** Stores under this condition; false if it did not hold. `end`: kept from the entry, epoch ms. */
  store(
    place: KeyPlace,
    bytes: Uint8Array,
    time: { readonly ttl: number } | { readonly end: number },
    how: { readonly absent: true } | { readonly cas: bigint; readonly pinned: string },
  ): Promise<boolean>;
}

export class Counters {
  readonly #store: CounterStore;
  readonly #waiting = new Map<string, Addition[]>();

  constructor(store: CounterStore) {
    this.#store = store;
  }

  /** The sum; NaN where the entry was not made by counting. */
  add(key: string, by: number, initial: Uint8Array, ttl: number): Promise<number> {
    const { timeout } = this.#store;
    const until = performance.now() + timeout;
    const sum = new Promise<number>((resolve, reject) => {
      const addition = { by, initial, ttl, until, resolve, reject };
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) {
        waiting.push(addition);
        return;
      }
      this.#waiting.set(key, [addition]);
      void this.#run(key);
    });
    return withDeadline(sum, timeout, () => timedOut(`counter ${JSON.stringify(key)}`, timeout));
  }

  /** One round after the other, until nobody waits. */
  async #run(key: string): Promise<void> {
    for (;;) {
      const now = performance.now();
      // what is too late was told so already, and is not added
      const round = (this.#waiting.get(key) ?? []).filter(({ until }) => until > now);
      if (round.length === 0) break;
      this.#waiting.set(key, []);
      try {
        const sums = await this.#add(key, round);
        for (const [i, { resolve }] of round.entries()) resolve(sums[i] as number);
      } catch (error) {
        for (const { reject } of round) reject(error as StockpileError);
      }
    }
    this.#waiting.delete(key);
  }

  async #add(key: string, round: readonly Addition[]): Promise<number[]> {
    const last = round.at(-1) as Addition;
    const place = this.#store.place(key, last.until);
    for (let tries = 0; ; tries++) {
      const { found, word, entry: old } = await place.read();
      if (old !== NO_VALUE && !isCounterForm(old)) return round.map(() => Number.NaN);
      const { initial, ttl } = round[0] as Addition;
      const bytes = Buffer.from(old === NO_VALUE ? initial : old);
      const sums = sumsOf(old === NO_VALUE ? undefined : numberIn(bytes), round);
      bytes.writeDoubleLE(sums.at(-1) as number, bytes.length - NUMBER_BYTES);
      const time = old === NO_VALUE || found === undefined ? { ttl } : { end: entryEnd(found.value) };
      const how = found === undefined ? { absent: true as const } : { cas: found.cas, pinned: word };
      if (await this.#store.store(place, bytes, time, how)) return sums;
      await sleep(Math.random() * Math.min(FIRST_PAUSE_MS * 2 ** tries, LONGEST_PAUSE_MS));
    }
  }
}

/** After each addition; the first to find nothing begins with its own number, which includes what it adds. */
function sumsOf(old: number | undefined, round: readonly Addition[]): number[] {
  let sum = old;
  return round.map(({ by, initial }) => {
    sum = sum === undefined ? numberIn(Buffer.from(initial)) : sum + by;
    return sum;
  });
}

function numberIn(bytes: Buffer): number {
  return bytes.readDoubleLE(bytes.length - NUMBER_BYTES);
}
