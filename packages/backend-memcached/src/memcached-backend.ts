/** `memcached`: one cache for all processes of all hosts, in a fleet of memcached servers. */

import {
  type BackendContext,
  BytesBackend,
  type CacheMutex,
  type Capability,
  Failures,
  MAX_TIMER_MS,
  type MultiWriteOptions,
  NO_VALUE,
  type NoValue,
  type ServerState,
  type WriteOptions,
} from '@stockpile/core';
import { ask } from './call.js';
import { GetCall, type StoreWhat } from './calls.js';
import { type CounterStore, Counters } from './counters.js';
import { encodeEntry, entryEnd } from './entry.js';
import { expirySeconds, expirySecondsUntil } from './expiry.js';
import { Fleet, type Share } from './fleet.js';
import { NewGeneration } from './generations.js';
import { type LockSettings, MemcachedMutex } from './memcached-mutex.js';
import { MultiDeleteCall, MultiGetCall, MultiSetCall } from './multi-calls.js';
import { type MemcachedArguments, memcachedSettings } from './options.js';
import { lockName } from './physical-key.js';
import type { KeyPlace } from './place.js';
import { closedError, notANamespace, tooLarge } from './statuses.js';

const DEFAULT_TIMEOUT_MS = 2000;

/**
 * Keeps serialised values on memcached servers; which key is where, consistent hashing decides. Nothing is asked before
 * the first operation. Every operation is settled within the timeout.
 * @example
 * createRegion({ name: 'users' }).configure('memcached', {
 *   expirationTime: '10m',
 *   arguments: { url: 'cache1:11211, cache2:11211' },
 * });
 * @throws ValidationError for arguments. Operations: BackendUnavailableError, BackendTimeoutError, ValueTooLargeError.
 */
export class MemcachedBackend extends BytesBackend {
  readonly name = 'memcached';
  readonly capabilities: ReadonlySet<Capability> = new Set<Capability>([
    'ttl',
    'locks',
    'counters',
    'compareAndSet',
    'clear',
  ]);
  readonly #fleet: Fleet;
  readonly #maxValueBytes: number;
  readonly #timeout: number;
  readonly #locks: LockSettings;
  readonly #counters: Counters;
  /** Operations that ask more than once. */
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(options: MemcachedArguments = {}, context: Partial<BackendContext> = {}) {
    super();
    const settings = memcachedSettings(options);
    this.#timeout = Math.min(context.timeout ?? DEFAULT_TIMEOUT_MS, MAX_TIMER_MS);
    this.#maxValueBytes = settings.maxValueBytes;
    this.#fleet = new Fleet(settings.servers, this.#timeout, settings.failover);
    this.#locks = {
      lease: settings.lease,
      place: (key) => this.#open().place(key, performance.now() + this.#timeout),
      timeout: this.#timeout,
      held: new Set(),
      report: (error) => context.report?.('lock', error),
    };
    this.#counters = new Counters({
      timeout: this.#timeout,
      place: (key, until) => this.#fleet.place(key, until),
      store: (...args: Parameters<CounterStore['store']>) => this.#storeIf(...args),
    });
  }

  override get(key: string): Promise<Uint8Array | NoValue> {
    return new Promise((resolve, reject) => {
      const place = this.#open().place(key);
      place.server.send(new GetCall(place, place.hashedKey, resolve, reject));
    });
  }

  override async getMulti(keys: readonly string[]): Promise<(Uint8Array | NoValue)[]> {
    const failures = new Failures();
    const found = new Map<string, Uint8Array | NoValue>();
    await this.#each(keys, failures, async ({ server, generation, places }, until) => {
      const values = await ask<(Uint8Array | NoValue)[]>(
        server,
        (resolve, reject) => new MultiGetCall(generation, places, resolve, reject),
        until,
      );
      for (const [i, { key }] of places.entries()) found.set(key, values[i] as Uint8Array | NoValue);
    });
    const answers = keys.map((key) => found.get(key) ?? NO_VALUE);
    failures.throwIfAny(answers);
    return answers;
  }

  override async set(key: string, bytes: Uint8Array, { ttl, mutex }: WriteOptions): Promise<boolean> {
    this.#checkSize(key, bytes);
    const place = this.#open().place(key);
    const what = this.#item(place, bytes, ttl);
    if (mutex instanceof MemcachedMutex) return this.#severalSteps(mutex.store(what));
    // a proxy's own mutex guards in its own way: its store frees nothing
    const how = mutex === undefined ? { free: lockName(place.name) } : {};
    return (await place.store(what, how)).outcome === 'stored';
  }

  override async setMulti(
    items: ReadonlyMap<string, Uint8Array>,
    { ttl, mutexes }: MultiWriteOptions,
  ): Promise<readonly string[]> {
    const failures = new Failures();
    const lost: string[] = [];
    const plain: string[] = [];
    const guarded: [string, CacheMutex][] = [];
    for (const [key, bytes] of items) {
      const mutex = mutexes?.get(key);
      if (mutex !== undefined) guarded.push([key, mutex]);
      else if (bytes.length <= this.#maxValueBytes) plain.push(key);
      else failures.noting(key)(this.#tooLarge(key, bytes));
    }
    const singly = guarded.map(([key, mutex]) =>
      this.set(key, items.get(key) as Uint8Array, { ttl, mutex }).then(
        (stored) => void (stored || lost.push(key)),
        failures.noting(key),
      ),
    );
    const sizeOf = (key: string): number => (items.get(key) as Uint8Array).length;
    const storing = async ({ server, generation, places }: Share, until: number): Promise<void> => {
      const stores = places.map((place) => {
        const { key, name } = place;
        return { key, name, ...this.#item(place, items.get(key) as Uint8Array, ttl) };
      });
      const failed = await ask<ReadonlyMap<string, Error>>(
        server,
        (resolve, reject) => new MultiSetCall(generation, stores, resolve, reject),
        until,
      );
      for (const [key, error] of failed) failures.noting(key)(error);
    };
    await Promise.all([this.#each(plain, failures, storing, sizeOf), ...singly]);
    failures.throwIfAny();
    return lost;
  }

  override async delete(key: string): Promise<boolean> {
    const place = this.#open().place(key);
    return place.delete({ free: lockName(place.name) });
  }

  override async deleteMulti(keys: readonly string[]): Promise<number> {
    const failures = new Failures();
    let deleted = 0;
    await this.#each(keys, failures, async ({ server, generation, places }, until) => {
      const names = places.map(({ name }) => name);
      const were = await ask<number>(
        server,
        (resolve, reject) => new MultiDeleteCall(generation, names, resolve, reject),
        until,
      );
      deleted += were; // not in one step: others add meanwhile
    });
    failures.throwIfAny();
    return deleted;
  }

  override getMutex(key: string): CacheMutex {
    return new MemcachedMutex(key, this.#locks);
  }

  override async increment(key: string, by: number, initial: Uint8Array, { ttl }: WriteOptions): Promise<number> {
    this.#open();
    return this.#severalSteps(this.#counters.add(key, by, initial, ttl));
  }

  override async compareAndSet(
    key: string,
    expected: Uint8Array | NoValue,
    bytes: Uint8Array,
    options: { readonly ttl: number | undefined },
  ): Promise<boolean> {
    this.#checkSize(key, bytes);
    return this.#severalSteps(this.#compareAndSet(key, expected, bytes, options));
  }

  /** A new generation of the namespace on every server; one that cannot be reached is an error, and keeps the old one. */
  override async clear(prefix: string): Promise<void> {
    if (prefix === '' || prefix.indexOf(':') !== prefix.length - 1) throw notANamespace(prefix);
    const done = await Promise.allSettled(
      this.#open()
        .generations(prefix)
        .map(({ server, generation }) =>
          ask(server, (resolve, reject) => new NewGeneration('anything', generation, resolve, reject)),
        ),
    );
    const failed = done.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  override servers(): readonly ServerState[] {
    return this.#fleet.servers.map(({ state }) => state);
  }

  /** Lets what is under way end, for a timeout at most; then refuses everything. */
  override close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#underWay);
    await this.#fleet.close();
    for (const mutex of this.#locks.held) mutex.stop();
  }

  #open(): Fleet {
    if (this.#closing !== undefined) throw closedError();
    return this.#fleet;
  }

  /** `close` waits for it. */
  #severalSteps<T>(work: Promise<T>): Promise<T> {
    const forget = (): void => void this.#underWay.delete(settled);
    const settled = work.then(forget, forget);
    this.#underWay.add(settled);
    return work;
  }

  async #compareAndSet(
    key: string,
    expected: Uint8Array | NoValue,
    bytes: Uint8Array,
    { ttl }: { readonly ttl: number | undefined },
  ): Promise<boolean> {
    const place = this.#open().place(key, performance.now() + this.#timeout);
    const fresh = { ttl: ttl ?? Infinity };
    if (expected === NO_VALUE && (await this.#storeIf(place, bytes, fresh, { absent: true }))) return true;
    const { found, word, entry: current } = await place.read();
    if (found === undefined) return false;
    if (expected === NO_VALUE || current === NO_VALUE) {
      // memcached keeps what has ended for a moment: to readers it is absent, so it is replaced
      return current === expected && this.#storeIf(place, bytes, fresh, { cas: found.cas, pinned: word });
    }
    if (!current.equals(expected)) return false;
    const time = ttl === undefined ? { end: entryEnd(found.value) } : { ttl };
    return this.#storeIf(place, bytes, time, { cas: found.cas, pinned: word });
  }

  async #storeIf(...[place, bytes, time, how]: Parameters<CounterStore['store']>): Promise<boolean> {
    const what =
      'ttl' in time
        ? this.#item(place, bytes, time.ttl)
        : { ...encodeEntry(bytes, time.end, place.hashedKey), expiry: expirySecondsUntil(time.end) };
    return (await place.store(what, how)).outcome === 'stored';
  }

  #item(place: KeyPlace, bytes: Uint8Array, ttl: number): StoreWhat {
    const shortened = this.#fleet.ttlAt(place, ttl);
    return { ...encodeEntry(bytes, Date.now() + shortened, place.hashedKey), expiry: expirySeconds(shortened) };
  }

  /** `work` for the keys of each server, each key once; a failure is noted for all of them. */
  async #each(
    keys: readonly string[],
    failures: Failures,
    work: (share: Share, until: number) => Promise<void>,
    sizeOf?: (key: string) => number,
  ): Promise<void> {
    const until = performance.now() + this.#timeout;
    const each = this.#open()
      .shares(keys, sizeOf)
      .map(async (shares) => {
        for (const share of shares) {
          await work(share, until).catch(failures.noting(...share.places.map(({ key }) => key)));
        }
      });
    await this.#severalSteps(Promise.all(each));
  }

  #checkSize(key: string, bytes: Uint8Array): void {
    if (bytes.length > this.#maxValueBytes) throw this.#tooLarge(key, bytes);
  }

  #tooLarge(key: string, { length }: Uint8Array): Error {
    return tooLarge(key, length, this.#maxValueBytes, "store less, or raise the argument 'maxValueBytes'");
  }
}
