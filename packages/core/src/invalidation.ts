/** Which entries an invalidation reaches. */

import type { Awaitable } from './awaitable.js';

/** How an entry fares: `hard` counts as absent, `soft` as stale. */
export type Verdict = 'valid' | 'soft' | 'hard';

export interface InvalidateOptions {
  /** `true` (default): existing values count as absent; `false`: as stale. */
  readonly hard?: boolean;
  /** Only entries that carry one of these tags; default: all. */
  readonly tags?: readonly string[];
}

/** What an invalidator sees of an entry. */
export interface InvalidationSubject {
  /** The application's key. */
  readonly key: string;
  readonly createdAt: number;
  readonly tags: readonly string[];
}

/**
 * The rule by which a region judges entries; `configure({ regionInvalidator })` takes one. Calls of `invalidate`
 * combine: none may cancel an earlier one.
 * @example
 * const rule: RegionInvalidator = {
 *   invalidate() {},
 *   check: ({ key, createdAt }) => (key.startsWith('price:') && createdAt < lastPriceList ? 'hard' : 'valid'),
 * };
 */
export interface RegionInvalidator {
  /** `at`: epoch ms; entries created at or before it are meant. */
  invalidate(options: {
    readonly hard: boolean;
    readonly tags: readonly string[] | undefined;
    readonly at: number;
  }): Awaitable<void>;
  check(entry: InvalidationSubject): Verdict;
  /**
   * The newest time given to `invalidate`, -Infinity if none: writes are dated after it, and `check` is spared for them.
   * May grow at any time. Leave it out where `check` also goes by something else.
   */
  readonly latest?: number;
  /** Called before entries are judged by times that others may have changed; `force`: now, else when it is due. */
  refresh?(force: boolean): Awaitable<void>;
  /** Called by `configure`, for an invalidator that keeps its times in the region's backend. */
  attach?(store: InvalidationStore): void;
  /** Called when the region is closed, or gets another backend. */
  detach?(): void;
}

/** Where a shared invalidator keeps its times: one entry of the region's namespace. */
export interface InvalidationStore {
  readonly now: () => number;
  read(): Awaitable<unknown>;
  /** Replaces the entry by `change(entry)`, under its lock. */
  update(change: (current: unknown) => unknown): Awaitable<void>;
  /** Undefined where the backend has no events. */
  subscribe: ((listener: () => void) => Disposable) | undefined;
}

/** The newest invalidation of each kind, for the whole region and by tag. Plain data: it can be stored. */
export interface InvalidationTimes {
  hard: number;
  soft: number;
  hardTags: Map<string, number>;
  softTags: Map<string, number>;
}

export function noInvalidations(): InvalidationTimes {
  return { hard: -Infinity, soft: -Infinity, hardTags: new Map(), softTags: new Map() };
}

/** Adds an invalidation to `times`; one of the whole region makes earlier ones by tag superfluous. */
export function addInvalidation(
  times: InvalidationTimes,
  { hard, tags, at }: Parameters<RegionInvalidator['invalidate']>[0],
): void {
  if (tags === undefined) {
    times[hard ? 'hard' : 'soft'] = Math.max(times[hard ? 'hard' : 'soft'], at);
    forgetBefore(times.softTags, Math.max(times.hard, times.soft));
    forgetBefore(times.hardTags, times.hard);
  } else {
    const byTag = hard ? times.hardTags : times.softTags;
    for (const tag of tags) byTag.set(tag, Math.max(byTag.get(tag) ?? -Infinity, at));
  }
}

/** The strictest of the invalidations that reach an entry. */
export function verdictOf(times: InvalidationTimes, { createdAt, tags }: InvalidationSubject): Verdict {
  const reached = (byTag: Map<string, number>): boolean =>
    tags.some((tag) => createdAt <= (byTag.get(tag) ?? -Infinity));
  if (createdAt <= times.hard || reached(times.hardTags)) return 'hard';
  return createdAt <= times.soft || reached(times.softTags) ? 'soft' : 'valid';
}

export function latestOf(times: InvalidationTimes): number {
  let latest = Math.max(times.hard, times.soft);
  for (const byTag of [times.hardTags, times.softTags]) for (const at of byTag.values()) latest = Math.max(latest, at);
  return latest;
}

function forgetBefore(byTag: Map<string, number>, time: number): void {
  for (const [tag, at] of byTag) if (at <= time) byTag.delete(tag);
}

/** The default: the times live in this region object. */
export class LocalInvalidator implements RegionInvalidator {
  latest: number = -Infinity;
  readonly #times = noInvalidations();

  invalidate(options: Parameters<RegionInvalidator['invalidate']>[0]): void {
    addInvalidation(this.#times, options);
    this.latest = Math.max(this.latest, options.at);
  }

  check(entry: InvalidationSubject): Verdict {
    return verdictOf(this.#times, entry);
  }
}

/** Dates writes and invalidations, so that they have an order also within one millisecond. */
export class Timeline {
  #newestWrite = -Infinity;
  #newestInvalidation = -Infinity;

  /** The date of a write: after every invalidation that is known. */
  write(now: number, invalidator: RegionInvalidator): number {
    const floor = Math.max(this.#newestInvalidation, invalidator.latest ?? -Infinity) + 1;
    const at = Math.max(now, floor);
    if (at > this.#newestWrite) this.#newestWrite = at;
    return at;
  }

  /** The date of an invalidation: not before any write. */
  invalidation(now: number): number {
    this.#newestInvalidation = Math.max(now, this.#newestWrite, this.#newestInvalidation);
    return this.#newestInvalidation;
  }
}
