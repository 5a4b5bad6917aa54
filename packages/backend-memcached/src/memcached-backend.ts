/** `memcached`: one cache for all processes of all hosts, in a fleet of memcached servers. */

import {
  type BackendContext,
  BytesBackend,
  type CacheMutex,
  type Capability,
  Failures,
  type MultiWriteOptions,
  NO_VALUE,
  type NoValue,
  type ServerState,
  type WriteOptions,
} from '@stockpile/core';
import type { Call } from './call.js';
import { GetCall, type StoreWhat } from './calls.js';
import { type CounterStore, Counters } from './counters.js';
import { decodeEntry, encodeEntry, entryEnd } from './entry.js';
import { expirySeconds, expirySecondsUntil } from './expiry.js';
import { Fleet, type Share } from './fleet.js';
import { NewGeneration } from './generations.js';
import { type LockSettings, MemcachedMutex } from './memcached-mutex.js';
import { MultiDeleteCall, MultiGetCall, MultiSetCall } from './multi-calls.js';
import { OP } from './opcodes.js';
import { type MemcachedArguments, memcachedSettings } from './options.js';
import { lockName } from './physical-key.js';
import type { KeyPlace } from './place.js';
import { notANamespace, tooLarge } from './statuses.js';

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

  constructor(options: MemcachedArguments = {}, context: Partial<BackendContext> = {}) {
    super();
    const settings = memcachedSettings(options);
    this.#timeout = context.timeout ?? DEFAULT_TIMEOUT_MS;
    this.#maxValueBytes = settings.maxValueBytes;
    this.#fleet = new Fleet(settings.servers, this.#timeout, settings.failover);
    this.#locks = {
      lease: settings.lockLease,
      place: (key) => this.#fleet.place(key),
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
      const place = this.#fleet.place(key);
      place.server.send(new GetCall(place, place.hashedKey, resolve, reject));
    });
  }

  override async getMulti(keys: readonly string[]): Promise<(Uint8Array | NoValue)[]> {
    const failures = new Failures();
    const found = new Map<string, Uint8Array | NoValue>();
    await this.#each(keys, failures, async ({ server, generation, places }) => {
      const values = await ask<(Uint8Array | NoValue)[]>(
        server,
        (resolve, reject) => new MultiGetCall(generation, places, resolve, reject),
      );
      for (const [i, { key }] of places.entries()) found.set(key, values[i] as Uint8Array | NoValue);
    });
    const answers = keys.map((key) => found.get(key) ?? NO_VALUE);
    failures.throwIfAny(answers);
    return answers;
  }

  override async set(key: string, bytes: Uint8Array, { ttl, mutex }: WriteOptions): Promise<boolean> {
    this.#checkSize(bytes);
    const place = this.#fleet.place(key);
    const what = this.#item(place, bytes, ttl);
    if (mutex instanceof MemcachedMutex) return mutex.store(what);
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
      else failures.noting(key)(this.#tooLarge(bytes));
    }
    const singly = guarded.map(([key, mutex]) =>
      this.set(key, items.get(key) as Uint8Array, { ttl, mutex }).then(
        (stored) => void (stored || lost.push(key)),
        failures.noting(key),
      ),
    );
    await this.#each(plain, failures, async ({ server, generation, places }) => {
      const stores = places.map((place) => {
        const { key, name } = place;
        return { key, name, ...this.#item(place, items.get(key) as Uint8Array, ttl) };
      });
      const failed = await ask<ReadonlyMap<string, Error>>(
        server,
        (resolve, reject) => new MultiSetCall(generation, stores, resolve, reject),
      );
      for (const [key, error] of failed) failures.noting(key)(error);
    });
    await Promise.all(singly);
    failures.throwIfAny();
    return lost;
  }

  override delete(key: string): Promise<boolean> {
    const place = this.#fleet.place(key);
    return place.delete({ free: lockName(place.name) });
  }

  override async deleteMulti(keys: readonly string[]): Promise<number> {
    const failures = new Failures();
    let deleted = 0;
    await this.#each(keys, failures, async ({ server, generation, places }) => {
      const were = await ask<number>(
        server,
        (resolve, reject) =>
          new MultiDeleteCall(
            generation,
            places.map(({ name }) => name),
            resolve,
            reject,
          ),
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
    return this.#counters.add(key, by, initial, ttl);
  }

  override async compareAndSet(
    key: string,
    expected: Uint8Array | NoValue,
    bytes: Uint8Array,
    { ttl }: { readonly ttl: number | undefined },
  ): Promise<boolean> {
    this.#checkSize(bytes);
    const place = this.#fleet.place(key, performance.now() + this.#timeout);
    const fresh = { ttl: ttl ?? Infinity };
    if (expected === NO_VALUE && (await this.#storeIf(place, bytes, fresh, { absent: true }))) return true;
    const { found, word } = await place.look();
    if (found === undefined) return false;
    const current = decodeEntry(found.flags, found.value, place.hashedKey);
    if (expected === NO_VALUE || current === NO_VALUE) {
      // memcached keeps what has ended for a moment: to readers it is absent, so it is replaced
      return current === expected && this.#storeIf(place, bytes, fresh, { cas: found.cas, pinned: word });
    }
    if (!current.equals(expected)) return false;
    const time = ttl === undefined ? { end: entryEnd(found.value) } : { ttl };
    return this.#storeIf(place, bytes, time, { cas: found.cas, pinned: word });
  }

  /** A new generation of the namespace on every server; one that cannot be reached is an error, and keeps the old one. */
  override async clear(prefix: string): Promise<void> {
    if (prefix === '' || prefix.indexOf(':') !== prefix.length - 1) throw notANamespace(prefix);
    const done = await Promise.allSettled(
      this.#fleet
        .generations(prefix)
        .map(({ server, generation }) =>
          ask(server, (resolve, reject) => new NewGeneration(OP.set, generation, resolve, reject)),
        ),
    );
    const failed = done.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  override servers(): readonly ServerState[] {
    return this.#fleet.servers.map(({ state }) => state);
  }

  /** Lets what is under way end, for a timeout at most; then refuses everything. */
  override async close(): Promise<void> {
    for (const mutex of this.#locks.held) mutex.stop();
    await this.#fleet.close();
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
  async #each(keys: readonly string[], failures: Failures, work: (share: Share) => Promise<void>): Promise<void> {
    const shares = this.#fleet.shares(keys);
    await Promise.all(shares.map((share) => work(share).catch(failures.noting(...share.places.map(({ key }) => key)))));
  }

  #checkSize(bytes: Uint8Array): void {
    if (bytes.length > this.#maxValueBytes) throw this.#tooLarge(bytes);
  }

  #tooLarge({ length }: Uint8Array): Error {
    return tooLarge(length, this.#maxValueBytes, "store less, or raise the argument 'maxValueBytes'");
  }
}

/** What a call that is sent to `server` resolves with. */
function ask<T>(
  server: { send(call: Call): void },
  make: (resolve: (answer: T) => void, reject: (error: Error) => void) => Call,
): Promise<T> {
  return new Promise((resolve, reject) => server.send(make(resolve, reject)));
}
