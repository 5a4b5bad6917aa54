/** A store that answers with promises, if it answers: every call bounded, every failure typed. */

import {
  BackendTimeoutError,
  BackendUnavailableError,
  missingCapability,
  NO_VALUE,
  type NoValue,
  type ServerState,
  type StockpileError,
  withDeadline,
} from '@stockpile/core';
import { BoundedCalls } from './bounded-calls.js';
import type { KeyvSettings } from './options.js';
import type { StoreAccess } from './store-access.js';
import { type ErrorSource, StoreErrors } from './store-errors.js';

/** A key that no region has, since theirs are not empty. */
const PROBE_KEY = '';
/** Keys that `clear` removes at once. */
const PAGE = 500;
/** ms. Longer ttls are as good as none, and some stores refuse them. */
const LONGEST_TTL = 1e15;

export class RemoteStore {
  readonly #calls: BoundedCalls;
  /** Only of stores that emit errors. */
  readonly #errors: StoreErrors | undefined;
  readonly canList: boolean;
  readonly canClear: boolean;

  constructor(
    readonly access: StoreAccess,
    server: string,
    private readonly settings: KeyvSettings,
  ) {
    const { store, timeout, maxPending, report, exclusive } = settings;
    this.canList = access.keys !== undefined;
    this.canClear = this.canList || (exclusive && access.clear !== undefined);
    const probe = (): Promise<unknown> => this.#readable(PROBE_KEY);
    this.#calls = new BoundedCalls({ server, timeout, maxPending, probe });
    if ('on' in store && typeof store.on === 'function') {
      this.#errors = new StoreErrors(store as ErrorSource, (error) => report('store', error));
    }
  }

  get state(): ServerState {
    return this.#calls.state;
  }

  /** The time is the store's business. */
  get(key: string, _now?: number): Promise<Uint8Array | NoValue> {
    return this.#call('get', async () => (await this.#readable(key)) ?? NO_VALUE);
  }

  /** Aligned with `keys`. `many`: the store's own. */
  async getMany(keys: readonly string[], many: NonNullable<StoreAccess['getMany']>): Promise<(Uint8Array | NoValue)[]> {
    const asked = [...new Set(keys)];
    const work = async (): Promise<readonly (Uint8Array | undefined)[]> => {
      try {
        return await this.#attributed(() => many(asked));
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        return Promise.all(asked.map((key) => this.#readable(key))); // which one?
      }
    };
    const found = await this.#call('getMulti', work, asked);
    const byKey = new Map<string, Uint8Array | NoValue>(asked.map((key, i) => [key, found[i] ?? NO_VALUE]));
    return keys.map((key) => byKey.get(key) ?? NO_VALUE);
  }

  set(key: string, bytes: Uint8Array, ttl: number): Promise<true> {
    const work = async (): Promise<true> => {
      if (!(await this.access.set(key, bytes, wholeTtl(ttl)))) throw refusal([key]);
      return true;
    };
    return this.#call('set', () => this.#attributed(work));
  }

  async setMany(
    items: ReadonlyMap<string, Uint8Array>,
    ttl: number,
    many: NonNullable<StoreAccess['setMany']>,
  ): Promise<readonly string[]> {
    const work = async (): Promise<readonly string[]> => {
      const refused = await many(items, wholeTtl(ttl));
      if (refused.length > 0) throw refusal(refused);
      return [];
    };
    return items.size === 0 ? [] : this.#call('setMulti', () => this.#attributed(work), [...items.keys()]);
  }

  delete(key: string): Promise<boolean> {
    return this.#call('delete', () => this.#attributed(() => this.access.delete(key)));
  }

  deleteMany(keys: readonly string[], many: NonNullable<StoreAccess['deleteMany']>): Promise<number> {
    return this.#call('deleteMulti', () => this.#attributed(() => many([...new Set(keys)])), keys);
  }

  /** Each step is a call of its own, so that a large store takes the time that it needs. */
  async *keys(prefix: string): AsyncGenerator<string, void, undefined> {
    const { keys } = this.access;
    if (keys === undefined) throw missingCapability('keyv', 'enumerate');
    const steps = keys();
    const seen = new Set<string>();
    let answered = false;
    try {
      for (;;) {
        answered = false;
        const { done, value: key } = await this.#call('keys', () => this.#attributed(() => steps.next()));
        answered = true;
        if (done) return;
        if (!key.startsWith(prefix) || seen.has(key)) continue;
        seen.add(key); // scans of Redis repeat
        yield key;
      }
    } finally {
      if (answered) await this.#call('keys', () => steps.return());
    }
  }

  /** Within the timeout as a whole; what it has not reached by then stays. */
  clear(prefix: string): Promise<void> {
    const { clear } = this.access;
    if (this.settings.exclusive && clear !== undefined) {
      return this.#call('clear', async () => void (await this.#attributed(clear)));
    }
    const { timeout } = this.settings;
    let late = false;
    return withDeadline(
      this.#removeAll(prefix, () => late),
      timeout,
      () => {
        late = true;
        return new BackendTimeoutError(`clear: not all keys were removed within ${timeout} ms; call it again`);
      },
    );
  }

  async #removeAll(prefix: string, isLate: () => boolean): Promise<void> {
    const remove = (keys: string[]): Promise<unknown> =>
      this.#call('clear', () => this.#attributed(() => Promise.all(keys.map((key) => this.access.delete(key)))));
    let page: string[] = [];
    for await (const key of this.keys(prefix)) {
      if (isLate()) return;
      if (page.push(key) < PAGE) continue;
      await remove(page);
      page = [];
    }
    if (!isLate()) await remove(page);
  }

  /** The store stays as it is: it is its user's. */
  async close(): Promise<void> {
    await this.#calls.close();
    this.#errors?.close();
  }

  /** `keys`: of an operation of many. A store that is a region itself tells of its own region and its own keys. */
  async #call<T>(operation: string, work: () => Promise<T>, keys?: readonly string[]): Promise<T> {
    try {
      return await this.#calls.call(operation, work);
    } catch (failure) {
      const error = failure as StockpileError; // BoundedCalls throws no others, a new one each time
      const own = new Set(keys);
      const named = error.keys?.filter((key) => own.has(key));
      error.keys = named?.length ? named : keys;
      error.key = undefined;
      error.region = undefined;
      error.found = undefined;
      throw error;
    }
  }

  /** What Keyv cannot parse is a miss, as it is for every bytes backend: the store itself has answered. */
  async #readable(key: string): Promise<Uint8Array | undefined> {
    try {
      return await this.#attributed(() => this.access.get(key));
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      this.settings.report('get', error);
      return undefined;
    }
  }

  #attributed<T>(work: () => Promise<T>): Promise<T> {
    return this.#errors === undefined ? work() : (this.#errors.during(work) as Promise<T>);
  }
}

/** By name: parsers of another realm have errors of their own. */
function isUnreadable(error: unknown): boolean {
  return (error as { name?: unknown } | null | undefined)?.name === 'SyntaxError';
}

function refusal(keys: readonly string[]): BackendUnavailableError {
  return new BackendUnavailableError('the store answered that it did not store the value', { keys });
}

/** Whole ms from 1, or undefined for none: the forms that all stores take. */
function wholeTtl(ttl: number): number | undefined {
  return ttl >= LONGEST_TTL ? undefined : Math.max(1, Math.ceil(ttl));
}
