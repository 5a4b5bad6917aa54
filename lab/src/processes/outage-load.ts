/** Lanes that work on one region in all ways, and check every answer. */

import { setTimeout as after } from 'node:timers/promises';
import { NO_VALUE, type Region, type StockpileError } from '@stockpile/core';
import type { Losses } from '../outages/task.js';
import { Counters } from './counters.js';
import type { Ledger } from './ledger.js';
import { outageValue, readOutageValue } from './outage-values.js';
import { OwnKeys } from './own-keys.js';

const LANES = 6;
/** Keys that all lanes write. */
const SHARED = 140;
/** The longest pause after an operation, ms. */
const PAUSE_MS = 20;
const TAG = 'shared';

export class Load {
  readonly #counters: Counters;
  readonly #own: readonly OwnKeys[];
  #running = true;
  #lanes: Promise<unknown> = Promise.resolve();
  #n = 0;
  #hits = 0;

  constructor(
    private readonly region: Region,
    private readonly ledger: Ledger,
    loses: Losses,
  ) {
    this.#counters = new Counters(region, ledger, loses);
    this.#own = Array.from({ length: LANES }, (_, lane) => new OwnKeys(region, ledger, lane, loses));
  }

  start(): void {
    this.#lanes = Promise.all(this.#own.map((own) => this.#lane(own)));
  }

  /** False: something hangs. */
  async stop(patience: number): Promise<boolean> {
    this.#running = false;
    const over = new AbortController();
    const late = after(patience, false, { signal: over.signal }).catch(() => false);
    return Promise.race([this.#lanes.then(() => true), late]).finally(() => over.abort());
  }

  /** Looks at everything once more. False: not all could be read. */
  async lookAgain(): Promise<boolean> {
    const keys = Array.from({ length: SHARED }, (_, i) => `s${i}`);
    const values = await this.#getMulti(keys);
    const own = await Promise.all(this.#own.map((one) => one.readAll()));
    return values && own.every(Boolean) && (await this.#counters.lookAgain());
  }

  /** A round trip by many keys, so that every server of a fleet takes part. */
  async roundTrip(): Promise<boolean> {
    const n = this.#next();
    const items = new Map(Array.from({ length: 24 }, (_, i) => [`p${i}`, outageValue(`p${i}`, n, 100)] as const));
    const { region, ledger } = this;
    if (!(await ledger.measure('setMulti', () => region.setMulti(items)))) return false;
    const read = await ledger.measure('getMulti', () => region.getMulti([...items.keys()]));
    return read?.value.every((value, i) => readOutageValue(value, `p${i}`) === n) ?? false;
  }

  /** Reads that found a value: a cache that never has any passes every other check. */
  get hits(): number {
    return this.#hits;
  }

  async #lane(own: OwnKeys): Promise<void> {
    while (this.#running) {
      await this.#step(own);
      await after(Math.random() * PAUSE_MS);
    }
  }

  #step(own: OwnKeys): Promise<unknown> | undefined {
    const dice = Math.random() * 100;
    if (dice < 20) return this.#get(this.#key());
    if (dice < 30) return this.#getMulti(this.#keys(6));
    if (dice < 40) return this.#set(this.#key());
    if (dice < 46) return this.#setMulti(this.#keys(5));
    if (dice < 50) return this.#delete(this.#keys(3));
    if (dice < 60) return this.#increment();
    if (dice < 75) return this.#getOrCreate(this.#key());
    if (dice < 81) return this.#getOrCreateMulti(this.#keys(4));
    if (dice < 82) return this.ledger.measure('invalidate', () => this.region.invalidate({ tags: [TAG] }));
    return own.step();
  }

  async #get(key: string): Promise<void> {
    const read = await this.ledger.measure(`get ${key}`, () => this.region.get(key));
    if (read !== undefined) this.#check(read.value, key, 'get');
  }

  async #getMulti(keys: readonly string[]): Promise<boolean> {
    const asked = [...keys, ...keys.slice(0, 1)];
    const read = await this.ledger.measure('getMulti', () => this.region.getMulti(asked), this.#checkKeys(asked));
    if (read === undefined) return false;
    const values: readonly unknown[] = read.value;
    if (values.length !== asked.length) this.ledger.noteWrong(`getMulti: ${values.length} of ${asked.length} answers`);
    for (const [i, key] of asked.entries()) this.#check(values[i], key, 'getMulti');
    return true;
  }

  #set(key: string): Promise<unknown> {
    return this.ledger.measure(`set ${key}`, () => this.region.set(key, this.#value(key), { tags: [TAG] }));
  }

  #setMulti(keys: readonly string[]): Promise<unknown> {
    const items = new Map(keys.map((key) => [key, this.#value(key)]));
    return this.ledger.measure('setMulti', () => this.region.setMulti(items), this.#checkKeys(keys));
  }

  #delete(keys: readonly string[]): Promise<unknown> {
    const [key = ''] = keys;
    if (Math.random() < 0.7) return this.ledger.measure(`delete ${key}`, () => this.region.delete(key));
    return this.ledger.measure('deleteMulti', () => this.region.deleteMulti(keys), this.#checkKeys(keys));
  }

  #increment(): Promise<void> | undefined {
    return this.region.supports('counters') ? this.#counters.increment() : undefined;
  }

  async #getOrCreate(key: string): Promise<void> {
    let own: unknown;
    const answer = await this.ledger.measure(`getOrCreate ${key}`, () =>
      this.region.getOrCreate(key, async () => {
        if (Math.random() < 0.3) await after(Math.random() * 5);
        own = this.#value(key);
        return own;
      }),
    );
    if (answer === undefined) return;
    const { value } = answer;
    if (value === own) this.ledger.created();
    if (value === NO_VALUE) this.ledger.noteWrong(`getOrCreate ${key}: NO_VALUE`);
    else this.#check(value, key, 'getOrCreate');
  }

  async #getOrCreateMulti(keys: readonly string[]): Promise<void> {
    let created = false;
    const answer = await this.ledger.measure('getOrCreateMulti', () =>
      this.region.getOrCreateMulti(keys, (missing) => {
        created = true;
        return missing.map((key) => this.#value(key));
      }),
    );
    if (answer === undefined) return;
    if (created) this.ledger.created();
    for (const [i, key] of keys.entries()) {
      const value = answer.value[i];
      if (value === NO_VALUE) this.ledger.noteWrong(`getOrCreateMulti ${key}: NO_VALUE`);
      else this.#check(value, key, 'getOrCreateMulti');
    }
  }

  #check(value: unknown, key: string, what: string): void {
    if (value === NO_VALUE) return;
    this.#hits++;
    const read = readOutageValue(value, key);
    if (typeof read === 'string') this.ledger.noteWrong(`${what}: ${read}`);
  }

  /** Of a multi operation that failed: it names keys that it was asked for. */
  #checkKeys(asked: readonly string[]): (error: StockpileError) => void {
    return ({ keys }) => {
      const foreign = keys?.filter((key) => !asked.includes(key)) ?? [];
      if (foreign.length > 0)
        this.ledger.noteProblem(`an error names ${foreign.join()}, asked for were ${asked.join()}`);
    };
  }

  #value(key: string): unknown {
    const n = this.#next();
    // a reply of some size comes in pieces
    return outageValue(key, n, n % 40 === 0 ? 60_000 : n % 7 === 0 ? 3000 : 100);
  }

  #next(): number {
    return ++this.#n;
  }

  #key(): string {
    return `s${Math.floor(Math.random() * SHARED)}`;
  }

  #keys(count: number): string[] {
    return [...new Set(Array.from({ length: count }, () => this.#key()))];
  }
}
