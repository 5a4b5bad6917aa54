/** Decoded values in this process. Whether one is still what is stored, two words of the shared index tell. */

import type { CachedValue, DecodedCache } from '@stockpile/core';
import type { Attachment } from './attachment.js';
import { freezePlain } from './freeze.js';
import { META, type NativeSegment, NUMBER_KIND, Rc } from './native.js';

export interface NearCacheSettings {
  readonly maxItems: number;
  readonly freeze: boolean;
  /** The region's clock is not the system's: what it says of the time is not looked at. */
  readonly ownTime: boolean;
}

/**
 * Time is cut into terms of so many ms. In each of them the engine is asked once for an entry although nothing has
 * changed: it sees what is read, and a wall clock that was set back does no harm for longer.
 */
const TERM_MS = 1000;
/** Of an entry that ends within the term: the engine is asked each time. */
const NO_TERM = -1;
/** A reading of the clock may be a little older than the one before. */
const SLACK_MS = 16;
/** So that storing one looks at few. */
const MOST_CHANCES = 8;
const FREQUENCY = 3;

class NearEntry {
  constructor(
    readonly item: CachedValue,
    /** Index of the low half of the word in `native.index`. */
    readonly at: number,
    /** The word as two int32, without its frequency: it never returns once it has changed. */
    readonly low: number,
    readonly high: number,
    /** In which the engine has confirmed it last. */
    public term: number,
  ) {}

  /** Read since it was last passed over. */
  used = false;
}

/** Second chance: the oldest leaves, unless it was read since it was last looked at. A hit costs one look into a Map. */
export class NearCache implements DecodedCache {
  readonly #segment: Attachment;
  readonly #maxItems: number;
  readonly #freeze: boolean;
  readonly #ownTime: boolean;
  #native: NativeSegment;
  #index: Int32Array | undefined;
  readonly #entries = new Map<string, NearEntry>();
  #closed = false;
  // what the last `get` of the backend told, for `keep`
  #key: string | undefined;
  #at = 0;
  #low = 0;
  #high = 0;
  #confirmed = NO_TERM;
  // the present term: its number, when it began, and when it ends (epoch ms)
  #term = 0;
  #from = 0;
  #until = 0;

  constructor(segment: Attachment, { maxItems, freeze, ownTime }: NearCacheSettings) {
    this.#segment = segment;
    this.#maxItems = maxItems;
    this.#freeze = freeze;
    this.#ownTime = ownTime;
    this.#native = segment.native;
    this.#index = segment.native.index;
  }

  get(key: string, given: number | undefined): CachedValue | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#segment.native !== this.#native) return this.#anew();
    const now = given === undefined || this.#ownTime ? Date.now() : given;
    if (now >= this.#until || now < this.#from) this.#beginTerm(now);
    const index = this.#index;
    // of a segment that had to be let go nothing is left to look at
    if (entry.term === this.#term && index !== undefined && entry.at < index.length) {
      // Plain reads: V8 never takes an element of an ArrayBuffer for known (its compiler marks such loads as not
      // eliminable), and an Atomics.load is a call that costs a third of the hit. A test spins on it.
      const low = index[entry.at] as number;
      const same = (low & ~FREQUENCY) === entry.low && index[entry.at + 1] === entry.high;
      // a frequency of 0 was used up by the ring: it must see that the entry is read, or evicts it
      if (same && (low & FREQUENCY) !== 0) {
        this.#segment.countNearHit();
        if (!entry.used) entry.used = true;
        return entry.item;
      }
    }
    return this.#confirm(key, entry, now);
  }

  /** Called by `get` of the backend, once it has the bytes. */
  note(key: string): void {
    if (this.#segment.native !== this.#native) this.#anew();
    if (this.#closed || this.#native.meta[META.kind] === NUMBER_KIND) {
      this.#key = undefined; // a number changes where it is, under an index word that stays
      return;
    }
    this.#key = key;
    this.#readWord(Date.now());
  }

  keep(key: string, item: CachedValue): void {
    if (key !== this.#key) return; // the serializer has read something else meanwhile
    this.#key = undefined;
    if (this.#freeze && !freezePlain(item.value)) return;
    if (item.metadata.tags !== undefined) Object.freeze(item.metadata.tags);
    this.#put(key, new NearEntry(item, this.#at, this.#low, this.#high, this.#confirmed));
  }

  close(): void {
    this.#closed = true;
    this.#key = undefined;
    this.#entries.clear();
  }

  /** Asks the engine whether the entry is still there. If so it is served without being decoded again. */
  #confirm(key: string, entry: NearEntry, now: number): CachedValue | undefined {
    this.#key = undefined;
    if (this.#native.peek(key, true) === Rc.ok) {
      this.#readWord(now);
      if (this.#at === entry.at && this.#low === entry.low && this.#high === entry.high) {
        entry.term = this.#confirmed;
        return entry.item;
      }
    }
    this.#entries.delete(key);
    return undefined;
  }

  #readWord(now: number): void {
    const { meta } = this.#native;
    const expiresIn = meta[META.expiresInMs] as number;
    this.#at = (meta[META.wordIndex] as number) * 2;
    this.#low = (meta[META.wordLow] as number) & ~FREQUENCY;
    this.#high = (meta[META.wordHigh] as number) | 0;
    if (now >= this.#until || now < this.#from) this.#beginTerm(now);
    this.#confirmed = expiresIn === 0 || now + expiresIn >= this.#until ? this.#term : NO_TERM;
  }

  #beginTerm(now: number): void {
    this.#term = (this.#term + 1) & 0x3fffffff;
    this.#from = now - SLACK_MS;
    this.#until = now + TERM_MS;
  }

  #put(key: string, entry: NearEntry): void {
    const entries = this.#entries;
    entries.delete(key);
    let chances = MOST_CHANCES;
    for (const [oldKey, old] of entries) {
      if (entries.size < this.#maxItems) break;
      entries.delete(oldKey);
      if (!old.used || chances-- <= 0) continue;
      old.used = false;
      entries.set(oldKey, old); // to the end
    }
    entries.set(key, entry);
  }

  /** Nothing known, or, after the segment was attached anew, nothing that is known holds. */
  #anew(): undefined {
    const { native } = this.#segment;
    if (native === this.#native) return;
    this.#native = native;
    this.#index = native.index;
    this.#entries.clear();
  }
}
