/** What in-process backends are made of: a Map whose entries leave by themselves. */

import type { CachedValue, Metadata } from './cached-value.js';
import type { Clock } from './clock.js';

/** Entries looked at by each write: two, so that writes alone outrun the growth that they cause. */
const ENTRIES_PER_WRITE = 2;
/** Entries looked at by each run of the timer: some 50 µs of work. */
const ENTRIES_PER_RUN = 1000;
/** Least ms between two runs of a timer. */
const PAUSE_MS = 20;
/** A run is followed by this many times its own duration of rest: sweeping takes at most 1 % of the process. */
const REST_FACTOR = 99;
/** Most ms between two looks at the clock, which may be set or be a test's own. */
const MAX_WAIT_MS = 60_000;

/** Something with an end: epoch ms, Infinity for never. It has ended when the clock has reached that time. */
export interface Expiring {
  readonly deadline: number;
  /** `now` if it has been read already. Entries that others put into a Map of theirs have none, and no end. */
  hasEnded?(now: number | undefined, clock: Clock): boolean;
}

/** A cached value with its end, in little space. */
export class ExpiringValue implements CachedValue, Expiring {
  /**
   * ms from `createdAt`, undefined for never. Unlike an epoch time (or Infinity) this is mostly an integer that V8
   * keeps in the field itself: 16 bytes less per entry. The difference of two epoch times is exact, and so is the sum.
   */
  private readonly lifetime: number | undefined;

  constructor(
    readonly value: unknown,
    readonly metadata: Metadata,
    deadline: number,
  ) {
    this.lifetime = deadline === Infinity ? undefined : deadline - metadata.createdAt;
  }

  /** On the path of every hit: the deadline itself is not computed, and the clock only read where there is an end. */
  hasEnded(now: number | undefined, clock: Clock): boolean {
    return this.lifetime !== undefined && (now ?? clock.now()) - this.metadata.createdAt >= this.lifetime;
  }

  get deadline(): number {
    return this.lifetime === undefined ? Infinity : this.metadata.createdAt + this.lifetime;
  }
}

/**
 * A Map that frees ended entries although nobody reads them: each write looks at the next two entries, and a
 * `SweepTimer` goes through all of them, in slices, when one is due. What ended is never handed out in the meantime.
 * The Map may be the user's own; what others put there without a deadline stays.
 */
export class ExpiringMap<E extends Expiring> {
  readonly #timer: SweepTimer;
  /** Where the current pass has got to. Kept only during one: an idle iterator would keep the Map's old tables. */
  #cursor: ReturnType<Map<string, E>['entries']> | undefined;
  /** No entry ends before this, save those that the current pass has not reached. Infinity: none ends. */
  #earliest: number;

  constructor(
    private readonly clock: Clock,
    private readonly map: Map<string, E> = new Map(),
  ) {
    this.#timer = new SweepTimer((now) => this.#sweep(now), clock);
    this.#earliest = map.size > 0 ? -Infinity : Infinity;
    this.#timer.wakeAt(this.#earliest);
  }

  /** The live entry. Reads the clock only where `now` is not given and the entry has an end. */
  get(key: string, now?: number): E | undefined {
    const entry = this.map.get(key);
    if (entry === undefined) return undefined;
    if (entry.hasEnded?.(now, this.clock) !== true) return entry;
    this.#remove(key);
    return undefined;
  }

  /** When an entry written now ends. To be asked by each write: it also looks at the next entries. */
  deadline(ttl: number): number {
    if (ttl === Infinity && this.#earliest === Infinity && this.#cursor === undefined) return Infinity;
    const now = this.clock.now();
    this.#advance(ENTRIES_PER_WRITE, now);
    return now + ttl;
  }

  set(key: string, entry: E): void {
    const { deadline } = entry;
    this.map.set(key, entry);
    if (deadline < this.#earliest) this.#earliest = deadline;
    this.#timer.wakeAt(deadline);
  }

  /** Whether a live entry was there. */
  delete(key: string): boolean {
    return this.get(key) !== undefined && this.#remove(key);
  }

  /** Keys of live entries that begin with `prefix`. */
  *keys(prefix: string): Generator<string, void, undefined> {
    const now = this.clock.now();
    for (const [key, { deadline }] of this.map) {
      if (key.startsWith(prefix) && !(now >= deadline)) yield key;
    }
  }

  clear(prefix: string): void {
    if (prefix === '') this.map.clear();
    else for (const key of this.map.keys()) if (key.startsWith(prefix)) this.map.delete(key);
    if (this.map.size === 0) this.#rest();
  }

  /** Stops the timer; the next write of an entry that ends starts it again. */
  close(): void {
    this.#timer.stop();
  }

  #remove(key: string): boolean {
    const removed = this.map.delete(key);
    if (this.map.size === 0) this.#rest();
    return removed;
  }

  /** Nothing is left to wait for. */
  #rest(): void {
    this.#cursor = undefined;
    this.#earliest = Infinity;
    this.#timer.stop();
  }

  #sweep(now: number): number {
    this.#advance(ENTRIES_PER_RUN, now);
    return this.#cursor === undefined ? this.#earliest : now;
  }

  /** Goes on with the pass, or begins one if an entry is due. A Map's iterator allows for every change meanwhile. */
  #advance(count: number, now: number): void {
    if (this.#cursor === undefined) {
      if (now < this.#earliest) return;
      this.#cursor = this.map.entries();
      this.#earliest = Infinity;
    }
    for (let looked = 0; looked < count; looked++) {
      const next = this.#cursor.next();
      if (next.done) {
        this.#cursor = undefined;
        return;
      }
      const [key, { deadline }] = next.value;
      if (now >= deadline) this.map.delete(key);
      else if (deadline < this.#earliest) this.#earliest = deadline;
    }
  }
}

/**
 * Calls `sweep` when something is due: one timer, which exists only while something is awaited, neither keeps the
 * process alive nor (weakly referenced) its abandoned owner, and takes at most 1 % of the time.
 */
export class SweepTimer {
  readonly #self: WeakRef<SweepTimer> = new WeakRef(this);
  #timer: NodeJS.Timeout | undefined;
  /** What the timer waits for; Infinity: there is none. */
  #due = Infinity;
  /** When it has rested from its last run, by `performance.now()`. */
  #restedAt = 0;

  /** `sweep(now)` answers with the next due time: `now` if it is not through, Infinity if nothing is awaited. */
  constructor(
    private readonly sweep: (now: number) => number,
    private readonly clock: Clock,
  ) {}

  /** Sees to it that a sweep runs at `due` or soon after. One comparison where an earlier one is awaited. */
  wakeAt(due: number): void {
    if (!(due < this.#due)) return;
    this.stop();
    this.#due = due;
    const wait = Math.max(due - this.clock.now(), this.#restedAt - performance.now(), PAUSE_MS);
    this.#timer = setTimeout(SweepTimer.#run, Math.min(wait, MAX_WAIT_MS), this.#self);
    if (typeof this.#timer === 'object') this.#timer.unref(); // a number where a test plays a browser
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = Infinity;
  }

  static #run(self: WeakRef<SweepTimer>): void {
    const timer = self.deref();
    if (timer === undefined) return;
    timer.stop();
    const began = performance.now();
    const due = timer.sweep(timer.clock.now());
    const ended = performance.now();
    timer.#restedAt = ended + (ended - began) * REST_FACTOR;
    timer.wakeAt(due);
  }
}
