/** Keys that one lane alone writes, one operation after the other: what it reads is known. */

import { NO_VALUE, type Region, type StockpileError } from '@stockpile/core';
import type { Losses } from '../outages/task.js';
import type { Ledger } from './ledger.js';
import { outageValue, readOutageValue } from './outage-values.js';

const KEYS = 10;

interface Written {
  /** The `n` that was acknowledged last; undefined: it was deleted. */
  last: number | undefined;
  /** Writes without an acknowledgement: they may be done, at any time. */
  readonly open: Set<number>;
}

export class OwnKeys {
  readonly #keys: readonly string[];
  readonly #written = new Map<string, Written>();
  #n = 0;

  constructor(
    private readonly region: Region,
    private readonly ledger: Ledger,
    lane: number,
    private readonly loses: Losses,
  ) {
    this.#keys = Array.from({ length: KEYS }, (_, i) => `o${lane}-${i}`);
    for (const key of this.#keys) this.#written.set(key, { last: undefined, open: new Set() });
  }

  step(): Promise<unknown> {
    const at = Math.floor(Math.random() * KEYS);
    const key = this.#keys[at] as string;
    const dice = Math.random();
    if (dice < 0.3) return this.#set(key);
    if (dice < 0.5) return this.#setMulti(this.#keys.slice(at, at + 4));
    if (dice < 0.6) return this.#delete(key);
    if (dice < 0.8) return this.#get(key);
    return this.#getMulti(this.#keys.slice(at, at + 4));
  }

  readAll(): Promise<boolean> {
    return this.#getMulti(this.#keys);
  }

  async #get(key: string): Promise<void> {
    const read = await this.ledger.measure(`get ${key}`, () => this.region.get(key));
    if (read !== undefined) this.#check(read.value, key);
  }

  async #getMulti(keys: readonly string[]): Promise<boolean> {
    const read = await this.ledger.measure('getMulti', () => this.region.getMulti(keys));
    for (const [i, key] of keys.entries()) if (read !== undefined) this.#check(read.value[i], key);
    return read !== undefined;
  }

  async #set(key: string): Promise<void> {
    await this.#write([key], async (items) => this.region.set(key, items.get(key)));
  }

  async #setMulti(keys: readonly string[]): Promise<void> {
    await this.#write(keys, (items) => this.region.setMulti(items));
  }

  async #write(keys: readonly string[], work: (items: Map<string, unknown>) => Promise<unknown>): Promise<void> {
    const n = ++this.#n;
    const items = new Map(keys.map((key) => [key, outageValue(key, n, 200)]));
    let failed: readonly string[] = [];
    await this.ledger.measure(
      keys.length === 1 ? `set ${keys[0]}` : 'setMulti',
      () => work(items),
      (error) => {
        failed = failedKeys(error, keys);
      },
    );
    for (const key of keys) {
      const written = this.#of(key);
      if (failed.includes(key)) written.open.add(n);
      else written.last = n;
    }
  }

  async #delete(key: string): Promise<void> {
    const done = await this.ledger.measure(`delete ${key}`, () => this.region.delete(key));
    if (done !== undefined) this.#of(key).last = undefined;
  }

  #check(value: unknown, key: string): void {
    if (value === NO_VALUE) return;
    const read = readOutageValue(value, key);
    const { last, open } = this.#of(key);
    if (typeof read === 'string') this.ledger.noteWrong(read);
    else if (read !== last && !open.has(read) && this.loses !== 'recent') {
      this.ledger.noteWrong(`${key} is write ${read}, though ${last ?? 'its deletion'} was acknowledged later`);
    }
  }

  #of(key: string): Written {
    return this.#written.get(key) as Written;
  }
}

/** All of them, unless the error says which of them. */
function failedKeys({ keys: named }: StockpileError, keys: readonly string[]): readonly string[] {
  return named?.every((key) => keys.includes(key)) ? named : keys;
}
