/** A configured region, below its methods: the keys, the rules, and every call of the backend with its bound. */

import { type Awaitable, attempt, chain, isPromise } from './awaitable.js';
import type { CacheBackend, Capability } from './backend.js';
import { type CachedValue, type Metadata, NO_VALUE, type NoValue } from './cached-value.js';
import { type Clock, hitTime } from './clock.js';
import { withDeadline } from './deadline.js';
import {
  BackendTimeoutError,
  CapabilityError,
  SerializationError,
  StockpileError,
  ValidationError,
  ValueTooLargeError,
} from './errors.js';
import { CreatorFailures } from './failures.js';
import { expirationOf, type Freshness, type FreshnessPolicy, isEarly, judge, ttlOf } from './freshness.js';
import type { Timeline } from './invalidation.js';
import type { KeySpace } from './key.js';
import type { CacheMutex } from './mutex.js';
import { NullBackend } from './null-backend.js';
import { type GetOrCreateOptions, type Plan, planOf } from './options.js';
import { innermost } from './proxy.js';
import { type Coordination, coordinationOf, SingleFlight } from './single-flight.js';
import type { Stats } from './stats.js';
import { typedFailure } from './typed-failure.js';

export type Found = CachedValue | NoValue;

/** What is stored with a value, if given. */
type Given = { readonly [P in Exclude<keyof Metadata, 'createdAt'>]?: Metadata[P] | undefined };

/** What `configure` decides. */
export interface CoreOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly keys: KeySpace;
  readonly policy: FreshnessPolicy;
  readonly timeline: Timeline;
  readonly stats: Stats;
  /** The defaults of all calls. */
  readonly plan: Plan;
  readonly failOpen: boolean;
  /** ms for every call of the backend. */
  readonly timeout: number;
  /** The driver was made by this region, with its clock. */
  readonly sharesClock: boolean;
}

export class RegionCore {
  readonly name: string;
  readonly keys: KeySpace;
  readonly policy: FreshnessPolicy;
  readonly stats: Stats;
  readonly plan: Plan;
  readonly failOpen: boolean;
  readonly timeline: Timeline;
  readonly failures: CreatorFailures = new CreatorFailures();
  readonly coordination: Coordination;
  readonly flights: SingleFlight<unknown>;
  /** Of callers that have waited for `lockTimeout`: what these create is not stored. */
  readonly unstored: SingleFlight<unknown>;
  /** Aborted by `close`. */
  readonly closing: AbortController = new AbortController();
  /** A backend that stores nothing: creators are neither shared nor locked. */
  readonly bypass: boolean;
  /** The time by which hits are judged, epoch ms. */
  readonly hitTime: () => number;
  readonly #clock: Clock;
  readonly #timeout: number;
  readonly #sharesClock: boolean;

  constructor(
    /** The outermost layer; `wrap` puts another around it. */
    public backend: CacheBackend,
    { name, clock, keys, policy, timeline, stats, plan, failOpen, timeout, sharesClock }: CoreOptions,
  ) {
    this.name = name;
    this.keys = keys;
    this.policy = policy;
    this.stats = stats;
    this.plan = plan;
    this.failOpen = failOpen;
    this.#clock = clock;
    this.hitTime = hitTime(clock);
    this.timeline = timeline;
    this.#timeout = timeout;
    this.#sharesClock = sharesClock;
    const driver = innermost(backend);
    this.bypass = driver instanceof NullBackend;
    this.coordination = coordinationOf(driver);
    this.flights = new SingleFlight(this.coordination);
    this.unstored = new SingleFlight(this.coordination);
  }

  now(): number {
    return this.#clock.now();
  }

  planFor<V>(options: GetOrCreateOptions<V> | undefined): Plan {
    return options === undefined ? this.plan : planOf(options, this.plan);
  }

  /** The state of an entry for a read; `early` only where the plan asks for it. */
  judge(entry: Found, key: string, now: number, plan: Plan): Freshness {
    const state = judge(entry, key, now, this.policy, plan.expirationTime);
    if (state !== 'fresh' || plan.earlyRefresh === undefined || entry === NO_VALUE) return state;
    const expiration = plan.expirationTime ?? expirationOf(entry.metadata, this.policy);
    return isEarly(entry, now, expiration, plan.earlyRefresh) ? 'early' : 'fresh';
  }

  /** The date of a write made now. */
  writeTime(): number {
    return this.timeline.write(this.#clock.now(), this.policy.invalidator);
  }

  itemOf(value: unknown, given: Given): CachedValue {
    if (value === NO_VALUE) throw new ValidationError('NO_VALUE says that there is no value: it cannot be stored');
    const metadata: { -readonly [P in keyof Metadata]: Metadata[P] } = { createdAt: this.writeTime() };
    if (given.expirationTime !== undefined) metadata.expirationTime = given.expirationTime;
    if (given.tags !== undefined) metadata.tags = given.tags;
    if (given.creationTime !== undefined) metadata.creationTime = given.creationTime;
    return { value, metadata };
  }

  get(key: string, stored: string, now: number): Awaitable<Found> {
    if (this.policy.invalidator.refresh !== undefined) return this.#getRefreshed(key, stored);
    let answer: Awaitable<Found>;
    try {
      answer = this.backend.get(stored, this.#driverTime(now));
    } catch (error) {
      throw this.failure(error, 'get', key);
    }
    return isPromise(answer) ? this.#bounded(answer, 'get', key) : answer;
  }

  /** `get` of a synchronous backend. Whether it kept its word and answered without a promise is for the caller to see. */
  getSync(key: string, stored: string, now: number): Found {
    if (this.policy.invalidator.refresh !== undefined) return settled(this.get(key, stored, now));
    try {
      return this.backend.get(stored, this.#driverTime(now)) as Found;
    } catch (error) {
      throw this.failure(error, 'get', key);
    }
  }

  /** The reading of the clock, if it is a clock that the driver goes by. */
  #driverTime(now: number): number | undefined {
    return this.#sharesClock ? now : undefined;
  }

  /** The same, once what others invalidated is known. */
  #getRefreshed(key: string, stored: string): Awaitable<Found> {
    const { invalidator } = this.policy;
    return chain(
      this.call('get', key, () => invalidator.refresh?.(false)),
      () => this.call('get', key, () => this.backend.get(stored)),
    );
  }

  /** Aligned with `stored`, the stored keys of `keys`. */
  getMulti(keys: readonly string[], stored: readonly string[], now: number): Awaitable<Found[]> {
    const { invalidator } = this.policy;
    const refreshed = invalidator.refresh && this.call('getMulti', undefined, () => invalidator.refresh?.(false));
    return chain(refreshed, () =>
      this.callMulti('getMulti', keys, stored, () => this.backend.getMulti(stored, this.#driverTime(now))),
    );
  }

  /** False: the mutex was lost and nothing was stored. */
  set(key: string, stored: string, item: CachedValue, mutex?: CacheMutex): Awaitable<boolean> {
    this.coordination.writes++;
    const ttl = ttlOf(item.metadata, this.policy);
    return this.call('set', key, () => {
      // an entry without any lifetime only ends the old one
      if (ttl <= 0) return chain(this.backend.delete(stored), () => true);
      return chain(this.backend.set(stored, item, { ttl, mutex }), (kept) => kept !== false);
    });
  }

  /** All with the expiration time of the first. The stored keys whose mutex was lost. */
  setMulti(
    keys: readonly string[],
    items: ReadonlyMap<string, CachedValue>,
    mutexes: ReadonlyMap<string, CacheMutex> = new Map(),
  ): Awaitable<readonly string[]> {
    const [first] = items.values();
    if (first === undefined) return [];
    this.coordination.writes++;
    const ttl = ttlOf(first.metadata, this.policy);
    const stored = [...items.keys()];
    return this.callMulti('setMulti', keys, stored, () => {
      if (ttl <= 0) return chain(this.backend.deleteMulti(stored), () => []);
      return chain(this.backend.setMulti(items, { ttl, mutexes }), (lost) => lost ?? []);
    });
  }

  /** The mutex of a key: the backend's, else one of this process. */
  mutex(stored: string): CacheMutex {
    const own = this.call('lock', undefined, () => this.backend.getMutex(stored)) as CacheMutex | undefined;
    return own ?? this.coordination.locks.mutex(stored);
  }

  /** Waits at most `wait` ms for the holder, and as long for the backend as any call. */
  async acquire(mutex: CacheMutex, key: string, wait: number, signal?: AbortSignal): Promise<boolean> {
    // first without waiting: a backend that does not answer is not taken for a holder that is slow
    if (await this.#tryAcquire(mutex, key, 0, signal)) return true;
    return wait > 0 && !signal?.aborted && this.#tryAcquire(mutex, key, wait, signal);
  }

  async #tryAcquire(mutex: CacheMutex, key: string, wait: number, signal: AbortSignal | undefined): Promise<boolean> {
    let late = false;
    try {
      const answer = mutex.acquire({ wait, signal });
      if (!isPromise(answer)) return answer;
      answer.then(
        (ours) => ours && late && this.release(mutex, key),
        () => {},
      );
      return await withDeadline(answer, wait + this.#timeout, () => this.#late('lock'));
    } catch (error) {
      late = true;
      throw this.failure(error, 'lock', key);
    }
  }

  /** Gives a lock back; that it was lost, or that the backend is down, harms nobody here. */
  release(mutex: CacheMutex, key: string): Awaitable<unknown> {
    return attempt(
      () => this.call('unlock', key, () => mutex.release()),
      () => false,
    );
  }

  /** Learns of invalidations by others before a created value is stored. */
  refreshInvalidations(): Awaitable<void> {
    const { invalidator } = this.policy;
    return invalidator.refresh && this.call('invalidations', undefined, () => invalidator.refresh?.(true));
  }

  /**
   * Lets a creator serve though the backend failed with `error`, which is counted already; else throws it.
   */
  serveAnyway(error: unknown): void {
    const ours = error instanceof ValidationError || error instanceof CapabilityError;
    if (!this.failOpen || ours || !(error instanceof StockpileError)) throw error;
  }

  /** The same for a created value that could not be stored: what cannot be stored at all is no reason to withhold it. */
  returnUnstored(error: unknown): void {
    if (error instanceof SerializationError || error instanceof ValueTooLargeError) return;
    if (error instanceof ValidationError)
      this.stats.error('store', error.key, error); // the driver refuses the key
    else this.serveAnyway(error);
  }

  /** Whether what was read while `writes` was the count may be something else by now. */
  mayHaveChanged(writes: number): boolean {
    return this.backend.capabilities.has('locks') || this.coordination.writes !== writes;
  }

  /** Before a write by its user: what is being created is outdated, and what is being stored lands first. */
  overtake(stored: string): Awaitable<unknown> {
    this.failures.forget(stored);
    return this.coordination.overtake(stored);
  }

  /** Throws unless the backend has the capability. */
  require(capability: Capability): CacheBackend {
    if (this.backend.capabilities.has(capability)) return this.backend;
    throw new CapabilityError(
      `region '${this.name}': backend '${this.backend.name}' has no '${capability}'; choose a backend that has it`,
      { region: this.name },
    );
  }

  /** Any call of the backend: bounded by the timeout, failing with a typed error that is counted. */
  call<T>(operation: string, key: string | undefined, work: () => Awaitable<T>): Awaitable<T> {
    let answer: Awaitable<T>;
    try {
      answer = work();
    } catch (error) {
      throw this.failure(error, operation, key);
    }
    return isPromise(answer) ? this.#bounded(answer, operation, key) : answer;
  }

  /** The same for many keys: an error names those of `keys` that it concerns. */
  callMulti<T>(
    operation: string,
    keys: readonly string[],
    stored: readonly string[],
    work: () => Awaitable<T>,
  ): Awaitable<T> {
    return attempt(
      () => this.call(operation, undefined, work),
      (error) => {
        if (error instanceof StockpileError) error.keys = error.keys?.map((key) => keys[stored.indexOf(key)] ?? key);
        throw error;
      },
    );
  }

  #bounded<T>(answer: PromiseLike<T>, operation: string, key: string | undefined): Promise<T> {
    return withDeadline(answer, this.#timeout, () => this.#late(operation)).catch((error) => {
      throw this.failure(error, operation, key);
    });
  }

  #late(operation: string): BackendTimeoutError {
    return new BackendTimeoutError(
      `${operation}: backend '${this.backend.name}' gave no answer within timeout, ${this.#timeout} ms`,
    );
  }

  /** The typed form of what a backend threw, counted and published. */
  failure(error: unknown, operation: string, key: string | undefined): StockpileError {
    const typed = typedFailure(error, `${operation}: backend '${this.backend.name}'`);
    typed.region ??= this.name;
    typed.key ??= key;
    if (!(typed instanceof ValidationError || typed instanceof CapabilityError))
      this.stats.error(operation, key, typed);
    return typed;
  }
}

/** The answer of a synchronous backend. One that answers with a promise all the same breaks its contract. */
export function settled<T>(answer: Awaitable<T>): T {
  if (!isPromise(answer)) return answer;
  answer.then(undefined, () => {});
  throw new CapabilityError("the backend declares 'sync' and answered with a promise");
}
