/** `redis`: one cache for many hosts. */

import {
  BytesBackend,
  type Capability,
  type KeyEvent,
  type KeyMangler,
  MAX_TIMER_MS,
  type MultiWriteOptions,
  missingCapability,
  NO_VALUE,
  type NoValue,
  type RegionInvalidator,
  type ServerState,
  show,
  ValueTooLargeError,
  type WriteOptions,
} from '@stockpile/core';
import { fitKey } from './key-names.js';
import { closedError } from './link.js';
import { type RedisArguments, type RedisSettings, redisSettings } from './options.js';
import { type Answers, throwFailures } from './per-server.js';
import { Reads } from './reads.js';
import { publishClear, subscribe } from './redis-events.js';
import { RedisInvalidator } from './redis-invalidator.js';
import { type LockContext, RedisMutex } from './redis-mutex.js';
import { clear, keysOf } from './scan.js';
import { COMPARE_AND_SET, INCREMENT } from './scripts.js';
import { listening, Subscriber } from './subscriber.js';
import { type Topology, topologyOf } from './topology.js';
import { bufferOf, ORIGIN, pxOf, Writes } from './writes.js';

export interface RedisOptions extends RedisArguments {
  /** ms in which every operation settles. Default 2000. */
  readonly timeout?: number | undefined;
  /** Told of failures in the background. */
  readonly report?: ((operation: string, error: unknown) => void) | undefined;
}

const DEFAULT_TIMEOUT_MS = 2000;
/** A foreign mutex that says nothing of a fence guards in its own way. */
const NO_GUARD = '';

/**
 * Keeps serialised values in Redis: standalone, cluster or sentinel, or through the application's own ioredis client.
 * Locks are fenced: what lost its lock, to a write, an invalidation or time, stores nothing. Nothing is connected before
 * the first operation.
 * @example
 * createRegion({ name: 'users' }).configure('redis', { expirationTime: '10m', arguments: { url: 'redis://cache:6379' } });
 * @throws ValidationError for arguments. Operations: `BackendUnavailableError`, `BackendTimeoutError`.
 */
export class RedisBackend extends BytesBackend {
  readonly name = 'redis';
  readonly capabilities: ReadonlySet<Capability>;
  override readonly keyMangler: KeyMangler = fitKey;
  readonly #settings: RedisSettings;
  readonly #timeout: number;
  readonly #topology: Topology;
  readonly #subscriber: Subscriber;
  readonly #reads: Reads;
  readonly #writes: Writes;
  readonly #locks: LockContext;
  #closing: Promise<void> | undefined;

  constructor(options: RedisOptions = {}) {
    super();
    const { report = () => {} } = options;
    const timeout = Math.min(options.timeout ?? DEFAULT_TIMEOUT_MS, MAX_TIMER_MS / 2); // it is doubled for sockets
    const settings = redisSettings(options);
    const topology = topologyOf(settings, timeout);
    const subscriber = new Subscriber(topology, timeout, (error) => report('subscribe', error));
    const gate = (): Promise<unknown> | undefined => listening(topology.identity);
    this.capabilities = new Set<Capability>([
      ...(['ttl', 'locks', 'counters', 'compareAndSet', 'enumerate', 'clear'] as const),
      ...(settings.events ? (['events'] as const) : []),
    ]);
    this.#settings = settings;
    this.#timeout = timeout;
    this.#topology = topology;
    this.#subscriber = subscriber;
    this.#reads = new Reads(topology, gate);
    this.#writes = new Writes(topology, settings.events, gate);
    this.#locks = { topology, subscriber, lease: settings.lease, report };
  }

  override get(key: string): Promise<Uint8Array | NoValue> {
    return this.#reads.get(key);
  }

  override async getMulti(keys: readonly string[]): Promise<(Uint8Array | NoValue)[]> {
    if (keys.length === 0) return [];
    const found = await this.#reads.getMulti(keys);
    throwFailures(found, keys, (error) => {
      error.found = found.map((answer) => (answer instanceof Error ? NO_VALUE : answer));
    });
    return found as (Uint8Array | NoValue)[];
  }

  override async set(key: string, bytes: Uint8Array, { ttl, mutex }: WriteOptions): Promise<boolean> {
    this.#checkSize(key, bytes);
    const guard = guardOf(mutex);
    if (guard === undefined) return false;
    const stored = await this.#writes.set(key, bytes, ttl, guard);
    if (stored && mutex instanceof RedisMutex) mutex.givenBack();
    return stored;
  }

  override async setMulti(
    items: ReadonlyMap<string, Uint8Array>,
    { ttl, mutexes }: MultiWriteOptions,
  ): Promise<readonly string[]> {
    const answers = new Map<string, Error | boolean>();
    const keys: string[] = [];
    const values: Uint8Array[] = [];
    const guards: string[] = [];
    for (const [key, bytes] of items) {
      const guard = guardOf(mutexes?.get(key));
      if (guard === undefined) answers.set(key, false);
      else if (bytes.length > this.#settings.maxValueBytes) answers.set(key, this.#tooLarge(key, bytes));
      else {
        keys.push(key);
        values.push(bytes);
        guards.push(guard);
      }
    }
    const guarded = guards.some((guard) => guard !== NO_GUARD);
    const stored =
      keys.length === 0
        ? []
        : await this.#each(() => this.#writes.store(keys, values, ttl, guarded ? guards : undefined), keys);
    for (const [i, key] of keys.entries()) {
      const answer = stored[i] as boolean | Error;
      answers.set(key, answer);
      const mutex = mutexes?.get(key);
      if (answer === true && mutex instanceof RedisMutex) mutex.givenBack();
    }
    const all = [...items.keys()];
    throwFailures(
      all.map((key) => answers.get(key)),
      all,
    );
    return all.filter((key) => answers.get(key) === false);
  }

  override async delete(key: string): Promise<boolean> {
    const [gone] = await this.#writes.remove([key]);
    if (gone instanceof Error) throw gone;
    return gone === 1;
  }

  override async deleteMulti(keys: readonly string[]): Promise<number> {
    if (keys.length === 0) return 0;
    const once = [...new Set(keys)];
    const gone = await this.#each(() => this.#writes.remove(once), once);
    throwFailures(gone, once);
    return (gone as number[]).reduce((sum, count) => sum + count, 0);
  }

  override getMutex(key: string): RedisMutex {
    return new RedisMutex(this.#locks, key);
  }

  override async increment(key: string, by: number, initial: Uint8Array, { ttl }: WriteOptions): Promise<number> {
    const added = Buffer.allocUnsafe(8);
    added.writeDoubleLE(by);
    const first = bufferOf(initial);
    const sum = await this.#writes.one(INCREMENT, key, (channels) => [added, first, pxOf(ttl), ...channels, ORIGIN]);
    if (!Buffer.isBuffer(sum)) return Number.NaN;
    return sum.length === 0 ? first.readDoubleLE(first.length - 8) : sum.readDoubleLE(0);
  }

  override async compareAndSet(
    key: string,
    expected: Uint8Array | NoValue,
    bytes: Uint8Array,
    { ttl }: { readonly ttl: number | undefined },
  ): Promise<boolean> {
    this.#checkSize(key, bytes);
    const old = expected === NO_VALUE ? (['0', ''] as const) : (['1', bufferOf(expected)] as const);
    const keeps = expected !== NO_VALUE && ttl === undefined;
    const life = keeps ? 'keep' : pxOf(ttl ?? Infinity);
    const args = (channels: readonly string[]) => [...old, bufferOf(bytes), life, ...channels, ORIGIN];
    return (await this.#writes.one(COMPARE_AND_SET, key, args)) === 1;
  }

  override keys(prefix: string): AsyncIterable<string> {
    return keysOf(this.#topology, prefix);
  }

  override async clear(prefix: string): Promise<void> {
    this.#writes.flush();
    await listening(this.#topology.identity);
    await clear(this.#topology, prefix, this.#timeout);
    if (this.#settings.events) await publishClear(this.#topology, prefix);
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    if (!this.#settings.events) throw missingCapability(this.name, 'events');
    if (this.#closing !== undefined) throw closedError();
    return subscribe(this.#subscriber, this.#topology, prefix, listener);
  }

  override createInvalidator(prefix: string): RegionInvalidator {
    return new RedisInvalidator(this.#topology, this.#subscriber, prefix);
  }

  override servers(): readonly ServerState[] {
    return this.#topology.servers();
  }

  override close(): Promise<void> {
    this.#subscriber.close();
    this.#closing ??= this.#topology.close();
    return this.#closing;
  }

  /** An answer for each key, also where all of them failed. */
  async #each<T>(work: () => Promise<Answers<T>>, keys: readonly string[]): Promise<Answers<T>> {
    try {
      return await work();
    } catch (error) {
      return keys.map(() => error as Error);
    }
  }

  #checkSize(key: string, bytes: Uint8Array): void {
    if (bytes.length > this.#settings.maxValueBytes) throw this.#tooLarge(key, bytes);
  }

  #tooLarge(key: string, { length }: Uint8Array): ValueTooLargeError {
    return new ValueTooLargeError(
      `key ${show(key)}: the value has ${length} bytes, and maxValueBytes is ${this.#settings.maxValueBytes}; cache less of it, or raise maxValueBytes (Redis takes 512M at most)`,
      { key },
    );
  }
}

/** What the lock must begin with; '' for nothing; undefined where the mutex was never held. */
function guardOf(mutex: WriteOptions['mutex']): string | undefined {
  if (mutex === undefined) return NO_GUARD;
  if (mutex instanceof RedisMutex) return mutex.guard;
  return mutex.fence === undefined ? NO_GUARD : `${mutex.fence}:`;
}
