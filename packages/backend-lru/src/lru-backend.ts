/** `lru`: a store of this process, bounded in items and bytes, on lru-cache. */

import {
  add,
  type ByteSize,
  CacheBackend,
  type CachedValue,
  type Capability,
  type Clock,
  cloneValue,
  type Duration,
  ExpiringValue,
  type KeyEvent,
  KeyEvents,
  NO_VALUE,
  type NoValue,
  parseByteSize,
  parseDuration,
  SweepTimer,
  show,
  systemClock,
  ValidationError,
  ValueTooLargeError,
  type WriteOptions,
} from '@stockpile/core';
import { LRUCache } from 'lru-cache';
import { type DeleteReason, Departures, type OnDelete } from './departures.js';
import { measuredBy, type SizeOf, serialisedSize } from './entry-size.js';

const DEFAULT_MAX_ITEMS = 10_000;
/** A JavaScript Map holds no more. */
const MOST_ITEMS = 2 ** 24;

export interface LruArguments {
  /**
   * Most entries, 1 to 16,777,216; room for them (28 bytes each) is taken at once. Default: 10,000 if `maxBytes` is
   * not given either, else no bound.
   */
  readonly maxItems?: number | undefined;
  /** Most bytes of all entries, as `sizeOf` counts them: a number or text like `'128M'`. Default: not measured. */
  readonly maxBytes?: ByteSize | undefined;
  /** The ttl of entries that come without one (`Infinity`); above 0. Default `Infinity`. */
  readonly defaultTtl?: Duration | undefined;
  /**
   * Called with the stored key, the value and `'delete' | 'clear' | 'evict' | 'expire'`, once the operation is over;
   * not for an overwrite. What it throws becomes a process warning.
   */
  readonly onDelete?: OnDelete | undefined;
  /**
   * What an entry counts for in `maxBytes`; asked only where that is given. Default: the length of the serialised
   * value + the bytes of the key + 200 for the entry itself.
   */
  readonly sizeOf?: SizeOf | undefined;
  /**
   * Whether values are copied when they are stored and when they are read. Default false: a hit hands out the stored
   * object itself, so whoever changes it changes it for everybody (and its measured size is not looked at again). With
   * true, the value must have a serialised form (else `SerializationError`), and a hit costs a copy.
   */
  readonly clone?: boolean | undefined;
}

export interface LruOptions extends LruArguments {
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/**
 * Keeps the most recently used values in this process, by reference. What has passed its ttl is freed when it is read,
 * and by an unref'd timer that exists only while there are entries with a ttl, keeps neither the process nor an
 * abandoned backend alive, and takes at most 1 % of the time; `close` stops it. A value larger than `maxBytes` is
 * refused with `ValueTooLargeError` before anything is evicted.
 * @example
 * createRegion().configure('lru', { arguments: { maxItems: 50_000, maxBytes: '128M' } });
 * @throws ValidationError for arguments of a wrong type or out of range.
 */
export class LruBackend extends CacheBackend {
  readonly name = 'lru';
  readonly capabilities: ReadonlySet<Capability> = new Set<Capability>([
    'sync',
    'ttl',
    'counters',
    'compareAndSet',
    'enumerate',
    'clear',
    'events',
  ]);
  /** Used without its ttl: its own ends a moment late, cannot be told the time, and takes a clock at 0 for never. */
  readonly #lru: LRUCache<string, ExpiringValue>;
  readonly #clock: Clock;
  readonly #defaultTtl: number;
  readonly #maxBytes: number;
  /** 0 where nothing is measured. */
  readonly #sizeOf: SizeOf;
  readonly #clone: boolean;
  readonly #departures: Departures;
  readonly #events = new KeyEvents();
  readonly #timer: SweepTimer;

  constructor(options: LruOptions = {}) {
    super();
    const { maxItems, maxBytes, defaultTtl = Infinity, onDelete, sizeOf, clone = false, clock = systemClock } = options;
    if (maxItems !== undefined && !(Number.isInteger(maxItems) && maxItems >= 1 && maxItems <= MOST_ITEMS)) {
      throw new ValidationError(`lru: maxItems must be a whole number from 1 to ${MOST_ITEMS}, not ${show(maxItems)}`);
    }
    this.#maxBytes = maxBytes === undefined ? Infinity : parseByteSize(maxBytes, 'lru: maxBytes');
    this.#defaultTtl = parseDuration(defaultTtl, 'lru: defaultTtl');
    if (this.#defaultTtl === 0) {
      throw new ValidationError('lru: defaultTtl must be above 0, not 0; leave it out for entries that never end');
    }
    requireFunction('onDelete', onDelete);
    requireFunction('sizeOf', sizeOf);
    if (typeof clone !== 'boolean') {
      throw new ValidationError(`lru: clone must be true or false, not ${show(clone)}`);
    }
    this.#clock = clock;
    this.#clone = clone;
    this.#sizeOf = maxBytes === undefined ? () => 0 : sizeOf === undefined ? serialisedSize : measuredBy(sizeOf);
    this.#departures = new Departures(onDelete);
    this.#timer = new SweepTimer((now) => this.#sweep(now), clock);
    this.#lru = new LRUCache({
      // without a bound in items its arrays grow with the entries, which is as fast as taking room at once
      max: maxItems ?? (maxBytes === undefined ? DEFAULT_MAX_ITEMS : 0),
      maxSize: maxBytes === undefined ? 0 : this.#maxBytes,
      // in the midst of its work: note it, touch nothing. What else leaves is noted by the methods below.
      dispose: ({ value }, key, reason) => {
        if (reason === 'evict') this.#departures.add(key, value, 'evict');
      },
    });
  }

  override get(key: string, now?: number): CachedValue | NoValue {
    const entry = this.#live(key, now);
    if (entry === undefined) return this.#miss(NO_VALUE);
    return this.#clone ? { value: cloneValue(entry.value, 'lru'), metadata: entry.metadata } : entry;
  }

  override getMulti(keys: readonly string[], now?: number): (CachedValue | NoValue)[] {
    return keys.map((key) => this.get(key, now));
  }

  override set(key: string, item: CachedValue, { ttl }: WriteOptions): boolean {
    return this.#store(key, item, this.#deadline(ttl));
  }

  override delete(key: string): boolean {
    const entry = this.#live(key);
    if (entry === undefined) return this.#miss(false);
    this.#remove(key, entry, 'delete');
    this.#events.emit('delete', key);
    this.#departures.tell();
    return true;
  }

  override increment(key: string, by: number, initial: CachedValue, { ttl }: WriteOptions): number {
    const entry = this.#live(key);
    const next = entry === undefined ? initial : add(entry, by);
    this.#store(key, next, entry === undefined ? this.#deadline(ttl) : entry.deadline);
    return next.value as number;
  }

  /** The identity of the metadata is the version: it survives a copy of the value. */
  override compareAndSet(
    key: string,
    expected: CachedValue | NoValue,
    item: CachedValue,
    { ttl }: { readonly ttl: number | undefined },
  ): boolean {
    const entry = this.#live(key);
    if (entry?.metadata !== (expected === NO_VALUE ? undefined : expected.metadata)) return this.#miss(false);
    return this.#store(key, item, ttl === undefined && entry ? entry.deadline : this.#deadline(ttl ?? Infinity));
  }

  override *keys(prefix: string): Generator<string, void, undefined> {
    const now = this.#clock.now();
    // a copy: lru-cache's own iterators lose their way when entries are used or removed meanwhile
    for (const key of [...this.#lru.keys()]) {
      if (!key.startsWith(prefix)) continue;
      const entry = this.#lru.peek(key);
      if (entry !== undefined && now < entry.deadline) yield key;
    }
  }

  override clear(prefix: string): void {
    const now = this.#clock.now();
    for (const [key, entry] of [...this.#lru.entries()]) {
      if (key.startsWith(prefix)) this.#remove(key, entry, now < entry.deadline ? 'clear' : 'expire');
    }
    this.#events.emitClear(prefix);
    this.#departures.tell();
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    return this.#events.subscribe(prefix, listener);
  }

  override close(): void {
    this.#timer.stop();
  }

  /** The live entry, now the most recently used. One that has ended is noted: `onDelete` hears of it in the end. */
  #live(key: string, now?: number): ExpiringValue | undefined {
    const entry = this.#lru.get(key);
    if (entry === undefined) return undefined;
    if (!entry.hasEnded(now, this.#clock)) return entry;
    this.#remove(key, entry, 'expire');
    return undefined;
  }

  /** Ends an operation that found nothing, save perhaps an entry that has ended. */
  #miss<A>(answer: A): A {
    this.#departures.tell();
    return answer;
  }

  #deadline(ttl: number): number {
    return this.#clock.now() + (ttl === Infinity ? this.#defaultTtl : ttl);
  }

  #store(key: string, { value, metadata }: CachedValue, deadline: number): true {
    const size = this.#sizeOf(value, key);
    // lru-cache would remove the old entry in silence
    if (size > this.#maxBytes) {
      throw new ValueTooLargeError(
        `lru: an entry of ${size} bytes can never fit into maxBytes of ${this.#maxBytes}: raise maxBytes or cache less`,
      );
    }
    this.#lru.set(key, new ExpiringValue(this.#clone ? cloneValue(value, 'lru') : value, metadata, deadline), { size });
    this.#timer.wakeAt(deadline);
    this.#events.emit('set', key);
    this.#departures.tell();
    return true;
  }

  #remove(key: string, { value }: ExpiringValue, reason: DeleteReason): void {
    this.#lru.delete(key);
    this.#departures.add(key, value, reason);
    if (this.#lru.size === 0) this.#timer.stop();
  }

  /** Frees what has ended. All in one go (20 ns an entry): lru-cache's iterators do not outlive a change. */
  #sweep(now: number): number {
    let earliest = Infinity;
    for (const [key, entry] of [...this.#lru.entries()]) {
      const { deadline } = entry;
      if (now >= deadline) this.#remove(key, entry, 'expire');
      else if (deadline < earliest) earliest = deadline;
    }
    this.#departures.tell();
    return earliest;
  }
}

function requireFunction(name: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return;
  throw new ValidationError(`lru: ${name} must be a function, not ${show(value)}; leave it out for none`);
}
