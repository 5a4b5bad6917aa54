/** Region-wide invalidation that all processes on a segment see at once, without messages. */

import {
  addInvalidation,
  type InvalidationSubject,
  type InvalidationTimes,
  latestOf,
  noInvalidations,
  type RegionInvalidator,
  show,
  type Verdict,
  verdictOf,
} from '@stockpile/core';
import type { Attachment } from './attachment.js';
import { addWritten, copyOf, shorten, writeTimes } from './invalidation-times.js';
import { IF, META, type NativeSegment, Rc } from './native.js';
import { RESERVED } from './reserved.js';

/** Place of the count of invalidations among the shared words. */
const COUNT_AT = 33;
/** Each round that fails is one in which somebody else has succeeded. */
const MOST_ROUNDS = 10_000;

/**
 * The times lie in an entry of the segment that is never evicted; each change of any region's times raises a count
 * that everybody can read for the price of a memory access. So what is invalidated in one process is invalid in all of
 * them as soon as `invalidate` returns.
 */
export class ShmInvalidator implements RegionInvalidator {
  readonly #segment: Attachment;
  readonly #key: string;
  /** For errors. */
  readonly #what: string;
  #times: InvalidationTimes = noInvalidations();
  #latest = -Infinity;
  /** For which attachment and count `#times` hold. */
  #native: NativeSegment | undefined;
  #shared: Int32Array | undefined;
  #seen = -1;

  constructor(segment: Attachment, prefix: string) {
    this.#segment = segment;
    this.#key = `${RESERVED}invalidation:${prefix}`;
    this.#what = `the invalidation of ${prefix === '' ? 'all keys' : `keys that begin with ${show(prefix)}`}`;
  }

  /** Read for every hit. */
  get latest(): number {
    const { native } = this.#segment;
    if (native === this.#native && this.#shared?.[COUNT_AT] === this.#seen) return this.#latest; // nothing new: a hit
    const count = countOf(native);
    if (count !== this.#seen || native !== this.#native) this.#read(count);
    return this.#latest;
  }

  check(entry: InvalidationSubject): Verdict {
    return this.latest === -Infinity ? 'valid' : verdictOf(this.#times, entry);
  }

  invalidate({ hard, tags, at }: Parameters<RegionInvalidator['invalidate']>[0]): void {
    for (let round = 0; round < MOST_ROUNDS; round++) {
      this.#read(countOf(this.#segment.native));
      const version = this.#version;
      const times = copyOf(this.#times);
      // others may have dated their writes after the latest invalidation, ahead of the clock
      addInvalidation(times, { hard, tags, at: Math.max(at, this.#latest + 1) });
      const rc = this.#store(times, version);
      if (rc === Rc.ok) {
        this.#segment.native.bumpInvalidations();
        this.#adopt(times);
        return;
      }
      if (rc !== Rc.changed && rc !== Rc.exists && rc !== Rc.miss)
        throw this.#segment.errorOf(rc, { what: this.#what });
    }
    throw this.#segment.errorOf(Rc.busy, { what: this.#what });
  }

  /** Nothing is held: there is nothing to let go. */
  detach(): void {
    this.#native = undefined;
  }

  /** Of the entry that was read last; 0: there was none. */
  #version = 0;

  #read(count: number): void {
    const segment = this.#segment;
    const found = this.#find();
    this.#native = segment.native;
    this.#shared = segment.native.shared;
    this.#seen = count; // read before the entry: what changes since is read again
    this.#version = 0;
    if (found === Rc.miss) return;
    this.#version = segment.meta(META.version);
    addWritten(this.#times, typeof found === 'string' ? found : segment.scratch.toString('utf8', 0, found));
    this.#latest = latestOf(this.#times);
  }

  /** What cannot be read counts as absent: what is known holds, and the next operation will say what is wrong. */
  #find(): string | number {
    const found = this.#segment.native.get(this.#key);
    if (typeof found === 'string' || found >= Rc.miss) return found;
    try {
      return this.#segment.getAfter(found, this.#key);
    } catch {
      return Rc.miss;
    }
  }

  /** Shortened until it fits. */
  #store(times: InvalidationTimes, version: number): number {
    for (;;) {
      const bytes = writeTimes(times);
      const when = version === 0 ? IF.absent : IF.version;
      const rc = this.#segment.run((native) => native.setBytes(this.#key, bytes, 0, when, version, true));
      if ((rc !== Rc.tooLarge && rc !== Rc.pinnedFull) || !shorten(times)) return rc;
    }
  }

  #adopt(times: InvalidationTimes): void {
    this.#times = times;
    this.#latest = latestOf(times);
  }
}

function countOf(native: NativeSegment): number {
  const { shared } = native;
  return shared === undefined || shared.length === 0 ? native.invalidations() : (shared[COUNT_AT] as number);
}
