/** Invalidation that every process on the backend sees: the times live in the backend itself. */

import { type Awaitable, attempt, chain, isPromise } from './awaitable.js';
import { type Duration, parseDuration } from './duration.js';
import { ValidationError } from './errors.js';
import {
  addInvalidation,
  type InvalidationStore,
  type InvalidationSubject,
  type InvalidationTimes,
  latestOf,
  noInvalidations,
  type RegionInvalidator,
  type Verdict,
  verdictOf,
} from './invalidation.js';

/**
 * Keeps a region's invalidation times under a reserved key of its namespace. Other processes hear of a change through
 * the backend's events; without events they read the times again before a read, at most once per `pollInterval`
 * (default 1 s), and before a created value is stored.
 * @example createRegion({ name: 'users' }).configure('redis', { regionInvalidator: sharedInvalidator() });
 * @throws ValidationError for a `pollInterval` that is no duration.
 */
export function sharedInvalidator({ pollInterval = '1s' }: { pollInterval?: Duration } = {}): RegionInvalidator {
  return new SharedInvalidator(parseDuration(pollInterval, 'pollInterval'));
}

/** With events the times are still read every so many poll intervals: a subscription may be broken unnoticed. */
const TRUST_IN_EVENTS = 10;

class SharedInvalidator implements RegionInvalidator {
  latest: number = -Infinity;
  #times = noInvalidations();
  #store: InvalidationStore | undefined;
  #readAt = -Infinity;
  #subscription: Disposable | undefined;
  /** A read under way: whoever comes meanwhile waits for it. */
  #reading: Promise<void> | undefined;

  constructor(private readonly pollInterval: number) {}

  attach(store: InvalidationStore): void {
    if (this.#store !== undefined) {
      throw new ValidationError('regionInvalidator: this sharedInvalidator() serves another region; make one for each');
    }
    this.#store = store;
    this.#readAt = -Infinity;
    this.#subscription = store.subscribe?.(() => {
      this.#readAt = -Infinity;
    });
  }

  detach(): void {
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = undefined;
    this.#store = undefined;
  }

  invalidate(options: Parameters<RegionInvalidator['invalidate']>[0]): Awaitable<void> {
    return this.#store?.update((current) => {
      const times = timesFrom(current);
      addInvalidation(times, options);
      this.#adopt(times);
      const { hard, soft, hardTags, softTags } = this.#times;
      return { hard, soft, hardTags: [...hardTags], softTags: [...softTags] }; // any serializer can store this
    });
  }

  check(entry: InvalidationSubject): Verdict {
    return verdictOf(this.#times, entry);
  }

  refresh(force: boolean): Awaitable<void> {
    const store = this.#store;
    if (store === undefined) return;
    const now = store.now();
    if (!force) {
      if (this.#reading !== undefined) return this.#reading;
      const interval = this.#subscription === undefined ? this.pollInterval : this.pollInterval * TRUST_IN_EVENTS;
      if (Math.abs(now - this.#readAt) < interval) return;
    }
    this.#readAt = now;
    const reading = attempt(
      () => chain(store.read(), (current) => this.#adopt(timesFrom(current))),
      (error) => {
        this.#readAt = -Infinity; // to be made up for by the next read
        throw error;
      },
    );
    if (!isPromise(reading)) return;
    const pending = Promise.resolve(reading).finally(() => {
      if (this.#reading === pending) this.#reading = undefined;
    });
    this.#reading = pending;
    return pending;
  }

  /** Times only grow: an answer that is older than what is known takes nothing back. */
  #adopt(times: InvalidationTimes): void {
    addInvalidation(times, { hard: true, tags: undefined, at: this.#times.hard });
    addInvalidation(times, { hard: false, tags: undefined, at: this.#times.soft });
    for (const [tag, at] of this.#times.hardTags) addInvalidation(times, { hard: true, tags: [tag], at });
    for (const [tag, at] of this.#times.softTags) addInvalidation(times, { hard: false, tags: [tag], at });
    this.#times = times;
    this.latest = latestOf(times);
  }
}

/** A copy of stored times; what is no such record (foreign bytes, a miss) counts as none. */
function timesFrom(stored: unknown): InvalidationTimes {
  const { hard, soft, hardTags, softTags } = (stored ?? {}) as Partial<Record<keyof InvalidationTimes, unknown>>;
  return {
    hard: typeof hard === 'number' ? hard : -Infinity,
    soft: typeof soft === 'number' ? soft : -Infinity,
    hardTags: tagTimes(hardTags),
    softTags: tagTimes(softTags),
  };
}

function tagTimes(stored: unknown): Map<string, number> {
  const isPair = (pair: unknown): pair is [string, number] =>
    Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'number';
  return new Map(Array.isArray(stored) ? stored.filter(isPair) : []);
}
