/** A configured region, below its methods: the keys, the rules, the reads and writes of entries. */

import { type Awaitable, chain, isPromise } from './awaitable.js';
import type { CacheBackend, Capability } from './backend.js';
import { type CachedValue, type Metadata, NO_VALUE, type NoValue } from './cached-value.js';
import { type Clock, hitTime } from './clock.js';
import { CapabilityError, ValidationError } from './errors.js';
import { CreatorFailures } from './failures.js';
import { expirationOf, type Freshness, type FreshnessPolicy, isEarly, judge, ttlOf } from './freshness.js';
import { GuardedBackend, type GuardOptions, settled } from './guarded-backend.js';
import type { Timeline } from './invalidation.js';
import type { KeySpace } from './key.js';
import type { CacheMutex } from './mutex.js';
import { NullBackend } from './null-backend.js';
import { type GetOrCreateOptions, type Plan, planOf } from './options.js';
import { innermost } from './proxy.js';
import { type Coordination, coordinationOf, SingleFlight } from './single-flight.js';

export type Found = CachedValue | NoValue;

/** What is stored with a value, if given. */
type Given = { readonly [P in Exclude<keyof Metadata, 'createdAt'>]?: Metadata[P] | undefined };

/** What `configure` decides. */
export interface CoreOptions extends GuardOptions {
  readonly clock: Clock;
  readonly keys: KeySpace;
  readonly policy: FreshnessPolicy;
  readonly timeline: Timeline;
  /** The defaults of all calls. */
  readonly plan: Plan;
  /** The driver was made by this region, with its clock. */
  readonly sharesClock: boolean;
}

export class RegionCore extends GuardedBackend {
  readonly keys: KeySpace;
  readonly policy: FreshnessPolicy;
  readonly timeline: Timeline;
  readonly plan: Plan;
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
  readonly #sharesClock: boolean;

  constructor(backend: CacheBackend, options: CoreOptions) {
    super(backend, options);
    this.keys = options.keys;
    this.policy = options.policy;
    this.timeline = options.timeline;
    this.plan = options.plan;
    this.#clock = options.clock;
    this.hitTime = hitTime(options.clock);
    this.#sharesClock = options.sharesClock;
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
    return isPromise(answer) ? this.call('get', key, () => answer) : answer;
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

  /** Learns of invalidations by others before a created value is stored. */
  refreshInvalidations(): Awaitable<void> {
    const { invalidator } = this.policy;
    return invalidator.refresh && this.call('invalidations', undefined, () => invalidator.refresh?.(true));
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
}
