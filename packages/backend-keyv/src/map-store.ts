/** The entries in a Map: one that the user handed in, or the one inside a Keyv. No promise, no deadline, no outage. */

import { type Clock, NO_VALUE, type NoValue } from '@stockpile/core';
import { bufferOf, type EntryForm } from './entry-form.js';

/** Entries looked at by each write: two, so that writes alone outrun the growth that they cause. */
const ENTRIES_PER_WRITE = 2;

export class MapStore {
  /** Where the sweep has got to; undefined between two passes. */
  #cursor: ReturnType<Map<unknown, unknown>['entries']> | undefined;

  constructor(
    private readonly map: Map<unknown, unknown>,
    /** Before every key of ours: the namespace of Keyv, and our mark. */
    private readonly prefix: string,
    private readonly form: EntryForm,
    private readonly clock: Clock,
  ) {}

  get(key: string, now?: number): Uint8Array | NoValue {
    const stored = this.prefix + key;
    const entry = this.map.get(stored);
    if (entry === undefined || this.#dropEnded(stored, entry, now)) return NO_VALUE;
    return this.form.unpack(entry) ?? NO_VALUE;
  }

  set(key: string, bytes: Uint8Array, ttl: number): true {
    const now = this.clock.now();
    this.#sweep(now);
    this.map.set(this.prefix + key, this.form.pack(bufferOf(bytes), Math.ceil(now + ttl)));
    return true;
  }

  delete(key: string): boolean {
    const found = this.get(key) !== NO_VALUE;
    return this.map.delete(this.prefix + key) && found;
  }

  *keys(prefix: string): Generator<string, void, undefined> {
    for (const [key, entry] of this.map) {
      if (!this.#isOurs(key, prefix) || this.#dropEnded(key, entry) || this.form.unpack(entry) === undefined) continue;
      yield key.slice(this.prefix.length);
    }
  }

  clear(prefix: string): void {
    for (const key of this.map.keys()) if (this.#isOurs(key, prefix)) this.map.delete(key);
  }

  /** What was stored stays, as it does in any store that outlives its backend. */
  close(): void {
    this.#cursor = undefined;
  }

  #isOurs(key: unknown, prefix = ''): key is string {
    return typeof key === 'string' && key.startsWith(this.prefix) && key.startsWith(prefix, this.prefix.length);
  }

  #dropEnded(stored: string, entry: unknown, now: number | undefined = undefined): boolean {
    const expires = this.form.expires(entry);
    return expires !== Infinity && (now ?? this.clock.now()) >= expires && this.map.delete(stored);
  }

  /** Keyv frees an entry only when it is read: without this, keys that are never asked for again would stay. */
  #sweep(now: number): void {
    for (let i = 0; i < ENTRIES_PER_WRITE; i++) {
      this.#cursor ??= this.map.entries();
      const { done, value } = this.#cursor.next();
      if (done) {
        this.#cursor = undefined; // an idle iterator would keep the Map's old tables
        return;
      }
      if (this.#isOurs(value[0])) this.#dropEnded(value[0], value[1], now);
    }
  }
}
