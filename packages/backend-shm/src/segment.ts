/** The engine itself, for those who want it without a region: a synchronous store of texts, bytes and numbers. */

import { types } from 'node:util';
import { checkObject, type Duration, parseDuration, show, ValidationError } from '@stockpile/core';
import { type Attachment, attach, detach } from './attachment.js';
import { SegmentError } from './errors.js';
import { loadNative } from './load-native.js';
import { IF, META, type NativeSegment, Rc } from './native.js';
import { DEFAULT_DIR, openError } from './open-error.js';
import { directoryIn, nameOf, pathOf, type SegmentOptions, type SegmentSettings, segmentOptions } from './options.js';
import {
  conditionOf,
  keysIn,
  type SegmentEntry,
  type SegmentLockOptions,
  type SegmentSetOptions,
  type SegmentValue,
  ttlOf,
  valueFrom,
} from './segment-access.js';
import { type SegmentEvent, Subscriptions } from './segment-events.js';
import { readStats, type SegmentStats } from './segment-stats.js';

const NO_TAIL = new Uint8Array(0);
const LONGEST_WAIT_MS = 1000;

/**
 * A shared-memory segment of this host, attached by name: all processes and threads that open the same name see the
 * same entries. Keys are texts of 1 to 4096 bytes of UTF-8. Where there is no room the least used entries are evicted
 * (or, with `whenFull: 'throw'`, writes fail). Every method but `close` throws `SegmentError` after `close`, a
 * `ValidationError` for a key that is none, and `ShardBusyError` where a stopped process holds the entry's part of the
 * segment: then nothing was written.
 * @example
 * using segment = Segment.open({ name: 'app', size: '64M' });
 * segment.set('greeting', 'hello', { ttl: '10m' });
 * segment.get('greeting'); // 'hello', in every process of the host
 */
export class Segment implements Disposable {
  #attachment: Attachment | undefined;
  readonly #settings: SegmentSettings;
  readonly #subscriptions = new Subscriptions();

  private constructor(settings: SegmentSettings) {
    this.#settings = settings;
    this.#attachment = attach(settings);
  }

  /**
   * Attaches the segment, or makes it, unless `create` is false. A second `open` in the same thread shares the
   * attachment.
   * @throws ValidationError for an option, `SegmentOpenError` where it cannot be had, `UnsupportedPlatformError` where
   * there is no native part for this platform.
   */
  static open(options: SegmentOptions = {}): Segment {
    return new Segment(segmentOptions(options));
  }

  /** The value, or undefined where there is none or it has ended. */
  get(key: string): SegmentValue | undefined {
    const segment = this.#attachment;
    if (segment === undefined) throw closed();
    const found = segment.native.get(key);
    return typeof found === 'string' ? found : valueFrom(segment, key, found);
  }

  /** The value with what is known of it. */
  getEntry(key: string): SegmentEntry | undefined {
    const segment = this.#open;
    const value = valueFrom(segment, key, segment.native.get(key));
    if (value === undefined) return undefined;
    const expiresIn = segment.meta(META.expiresInMs);
    return {
      value,
      version: segment.meta(META.version),
      expiresIn: expiresIn === 0 ? Infinity : expiresIn,
      inserted: segment.meta(META.inserted),
    };
  }

  /** Whether there is an entry. Does not count as a read of it. */
  has(key: string): boolean {
    return this.#did(key, (native) => native.peek(key, false));
  }

  /**
   * Whether it was stored: false where `when` or `version` did not hold.
   * @throws ValueTooLargeError, SegmentFullError (`whenFull: 'throw'`): the old value stays.
   */
  set(key: string, value: SegmentValue, options?: SegmentSetOptions): boolean {
    const segment = this.#open;
    if (options !== undefined) checkObject(options, 'set', "{ ttl: '10m' }");
    const ttl = ttlOf(options?.ttl);
    const [when, version] = options === undefined ? [IF.always, 0] : conditionOf(options);
    const rc = segment.run((native) => {
      if (typeof value === 'string') return native.setText(key, value, ttl, when, version);
      if (typeof value === 'number') return native.setNumber(key, value, NO_TAIL, ttl, when, version);
      if (types.isUint8Array(value)) return native.setBytes(key, value, ttl, when, version, false);
      throw new ValidationError(
        `set: the value must be a text, a Uint8Array or a number, not ${value === null ? 'null' : `a value of type ${typeof value}`}`,
      );
    });
    if (rc === Rc.ok) return true;
    if (rc === Rc.miss || rc === Rc.exists || rc === Rc.changed) return false;
    throw segment.error(rc, key, typeof value === 'string' ? Buffer.byteLength(value) : (value as Uint8Array).length);
  }

  /** Whether it was there. Frees the key's lock. */
  delete(key: string): boolean {
    return this.#did(key, (native) => native.delete(key));
  }

  /** Gives an entry another end, from now on. False: there is none. */
  touch(key: string, ttl: Duration): boolean {
    const ms = ttlOf(ttl);
    return this.#did(key, (native) => native.touch(key, ms));
  }

  /**
   * Adds to a number in one step, and answers with the sum. An absent one becomes `initial + by` with `ttl`; one that is
   * there keeps its end.
   * @throws ValidationError where the entry is no number, or the sum is not finite.
   */
  increment(key: string, by = 1, options: { initial?: number; ttl?: Duration } = {}): number {
    const segment = this.#open;
    checkObject(options, 'increment', "{ initial: 0, ttl: '10m' }");
    const { initial = 0 } = options;
    if (!Number.isFinite(by) || !Number.isFinite(initial + by)) {
      throw new ValidationError(
        `increment: by, initial and their sum must be finite numbers, not ${show(by)} and ${show(initial)}`,
      );
    }
    const ttl = ttlOf(options.ttl);
    for (;;) {
      const rc = segment.run((native) => native.increment(key, by));
      if (rc === Rc.ok) return segment.meta(META.number);
      if (rc === Rc.notNumber) {
        throw new ValidationError(`increment: key ${show(key)} holds no number, or the sum is not finite`, { key });
      }
      if (rc !== Rc.miss) throw segment.error(rc, key);
      const stored = segment.run((native) => native.setNumber(key, initial + by, NO_TAIL, ttl, IF.absent, 0));
      if (stored === Rc.ok) return initial + by;
      if (stored !== Rc.exists) throw segment.error(stored, key);
    }
  }

  /** Removes the entries whose keys begin with `prefix`, and frees the locks below its first ':'. */
  clear(prefix = ''): void {
    const segment = this.#open;
    const rc = segment.run((native) => native.clear(prefix));
    if (rc < 0 && rc !== Rc.miss) throw segment.error(rc, prefix);
  }

  /** The keys that begin with `prefix`, each once, in no order; those that are there all the while are told for certain. */
  keys(prefix = ''): Generator<string, void, undefined> {
    return keysIn(this.#open, prefix);
  }

  /** How many entries there are; those that have ended count until their space is used again. */
  get size(): number {
    return this.#open.attached.items();
  }

  /** Bytes of the entries with their keys and headers. */
  get bytes(): number {
    return this.#open.attached.liveBytes();
  }

  /** Bytes of the whole segment. */
  get byteSize(): number {
    return this.#open.native.byteSize;
  }

  /** Path of the file. */
  get path(): string {
    return this.#open.native.path;
  }

  /** Whether this thread made the segment, and did not find it. */
  get created(): boolean {
    return this.#open.native.created;
  }

  stats(): SegmentStats {
    const segment = this.#open;
    segment.tellNearHits();
    return readStats(segment.attached);
  }

  /**
   * Takes the lock of a key: a number that grows with each holder, to be given to `unlock`; undefined: somebody else has
   * it. It ends with its holder's process, and with a `set`, `increment`, `delete` or `clear` of the key by anybody, the
   * holder included: to guard several steps on a key, lock another one, such as `'lock:' + key`.
   */
  lock(key: string, options: SegmentLockOptions = {}): number | undefined {
    const segment = this.#open;
    checkObject(options, 'lock', "{ ttl: '10s', wait: 100 }");
    const ttl = ttlOf(options.ttl);
    const wait = Math.min(parseDuration(options.wait ?? 0, 'wait'), LONGEST_WAIT_MS);
    const fence = segment.run((native) =>
      wait > 0 ? native.lockWaiting(key, ttl, wait) : native.lock(key, ttl, false),
    );
    if (fence > 0) return fence;
    if (fence === Rc.held) return undefined;
    throw segment.error(fence, key);
  }

  /** Whether the lock was still ours. */
  unlock(key: string, fence: number): boolean {
    return this.#open.locks.unlock(key, fence);
  }

  /**
   * Calls `listener` for what happens to keys that begin with `prefix`, in any process, in order per key. What could not
   * be told in time is announced as `overflow`. Does not keep the process alive.
   */
  subscribe(prefix: string, listener: (event: SegmentEvent) => void): Disposable {
    return this.#subscriptions.add(this.#open.events.subscribe(prefix, listener));
  }

  /**
   * Removes the segment for all; who still uses it gets a new one within a second. True if it was still there. Its
   * memory is free once everybody has closed it or uses the new one; this one, too, has to be closed.
   */
  unlink(): boolean {
    return this.#open.native.unlink();
  }

  /** Gives the segment back. Idempotent. */
  close(): void {
    const segment = this.#attachment;
    if (segment === undefined) return;
    this.#attachment = undefined;
    this.#subscriptions.close();
    detach(segment, this.#settings);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #open(): Attachment {
    if (this.#attachment === undefined) throw closed();
    return this.#attachment;
  }

  /** The outcome of what may find nothing. */
  #did(key: string, operation: (native: NativeSegment) => number): boolean {
    const segment = this.#open;
    const rc = segment.run(operation);
    if (rc === Rc.ok || rc === Rc.miss) return rc === Rc.ok;
    throw segment.error(rc, key);
  }
}

/**
 * Removes the segment of a name. Who still has it open gets a new one within a second of doing something, and takes up
 * the memory of the old one until then.
 * @returns whether there was one
 * @throws ValidationError for a name that is none, `SegmentOpenError` where the system refuses.
 */
export function unlinkSegment(name: string, options: { readonly dir?: string } = {}): boolean {
  checkObject(options, 'unlinkSegment', "{ dir: '/run/cache' }");
  const { dir = DEFAULT_DIR } = options;
  const directory = directoryIn(pathOf(dir, 'dir'));
  const checked = nameOf(name);
  try {
    return loadNative().unlink(directory, checked);
  } catch (error) {
    throw openError(error, { directory, name: checked, bytes: 0 });
  }
}

function closed(): SegmentError {
  return new SegmentError('CLOSED', 'the segment is closed; open it again');
}
