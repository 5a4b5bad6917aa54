/**
 * The mutex of a key: an item with the token of its holder, which memcached lets expire. It saves work, it is no fence:
 * memcached may evict it, and between the last look at the lock and the store behind it something may come.
 */

import { randomBytes } from 'node:crypto';
import { type AcquireOptions, type CacheMutex, onAbort } from '@stockpile/core';
import type { Look, StoreWhat } from './calls.js';
import { expirySeconds } from './expiry.js';
import type { KeyPlace } from './place.js';

const LOCK_FLAGS = 0x5350_0004;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 250;

/** What the mutexes of one driver share. */
export interface LockSettings {
  /** ms that a lock outlives its holder. */
  readonly lease: number;
  /** ms that an operation may take in all. */
  readonly timeout: number;
  /** Where the key is kept now, for one operation that begins now. */
  readonly place: (key: string) => KeyPlace;
  /** Those whose timers run: `close` stops them. */
  readonly held: Set<MemcachedMutex>;
  /** Tells of a renewal that failed. */
  readonly report: (error: unknown) => void;
}

interface Holding {
  readonly place: KeyPlace;
  /** The generation it was taken in: in another one the lock is gone, and CAS begin anew. */
  readonly word: string;
  /** Of the lock. `undefined`: a write of ours had no answer. */
  cas: bigint | undefined;
  /** Of the entry when the lock was taken; `undefined`: there was none. */
  seen: bigint | undefined;
}

export class MemcachedMutex implements CacheMutex {
  readonly #key: string;
  readonly #settings: LockSettings;
  readonly #token = randomBytes(16);
  #holding: Holding | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Renewal, store and release change the CAS of the lock, one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(key: string, settings: LockSettings) {
    this.#key = key;
    this.#settings = settings;
  }

  async acquire({ wait, signal }: AcquireOptions): Promise<boolean> {
    const giveUpAt = performance.now() + wait;
    for (let tries = 0; !signal?.aborted; tries++) {
      if (await this.#take(tries === 0)) {
        if (!signal?.aborted) return true;
        await this.release();
        return false;
      }
      const left = giveUpAt - performance.now();
      if (left <= 0) return false;
      await pause(Math.min(left, pauseAfter(tries)), signal);
    }
    return false;
  }

  release(): Promise<boolean> {
    return this.#alone(async (holding, place) => {
      this.#end();
      if (!(await this.#confirmCas(holding, place))) return false;
      return place.lock.delete({ cas: holding.cas as bigint, pinned: holding.word });
    });
  }

  async locked(): Promise<boolean> {
    return (await this.#settings.place(this.#key).lock.look()).found !== undefined;
  }

  /** Stores the entry if the lock is still ours and nobody has written or deleted it since. */
  store(what: StoreWhat): Promise<boolean> {
    return this.#alone(async (holding, place) => {
      const { word } = holding;
      for (;;) {
        if (!(await this.#renew(holding, place))) return false;
        const { seen } = holding;
        const { outcome, cas } = await place.store(what, {
          pinned: word,
          ...(seen === undefined ? { absent: true } : { cas: seen }),
        });
        holding.seen = outcome === 'stored' ? cas : undefined;
        // expired or evicted while the creator ran, unless a delete has taken the lock too: look at that again
        if (outcome === 'absent' && seen !== undefined) continue;
        return outcome === 'stored';
      }
    });
  }

  /** Renews no more: the lock ends with its lease. */
  stop(): void {
    this.#end();
  }

  async #take(isFirst: boolean): Promise<boolean> {
    const place = this.#settings.place(this.#key);
    const taking = place.lock.store(this.#lockItem(), { absent: true });
    const looking = isFirst ? place.look() : undefined; // in the same batch, behind it
    looking?.catch(() => {}); // if it fails, so does what follows
    const { outcome, cas, word } = await taking;
    if (outcome !== 'stored') return false;
    const holding: Holding = { place, word, cas, seen: undefined };
    this.#holding = holding;
    try {
      holding.seen = await seenIn(word, place, looking);
    } catch (error) {
      this.#end();
      place
        .by(Infinity)
        .lock.delete({ cas, pinned: word })
        .catch(() => {}); // else it ends with its lease
      throw error;
    }
    this.#settings.held.add(this);
    this.#renewLater();
    return true;
  }

  #lockItem(): StoreWhat {
    const expiry = expirySeconds(this.#settings.lease);
    return { flags: LOCK_FLAGS, pieces: [this.#token], expiry };
  }

  #renewLater(): void {
    this.#timer = setTimeout(() => {
      this.#alone((holding, place) => this.#renew(holding, place))
        .then((ours) => ours && this.#renewLater())
        .catch((error) => {
          if (this.#holding === undefined) return;
          this.#settings.report(error);
          this.#renewLater();
        });
    }, this.#settings.lease / 3).unref();
  }

  /** Whether the lock is ours, for a whole lease from now. */
  async #renew(holding: Holding, place: KeyPlace): Promise<boolean> {
    if (holding !== this.#holding) return false;
    if (!(await this.#confirmCas(holding, place))) return this.#end();
    const { cas, word } = holding;
    holding.cas = undefined;
    const renewed = await place.lock.store(this.#lockItem(), { cas: cas as bigint, pinned: word });
    if (renewed.outcome !== 'stored') return this.#end();
    holding.cas = renewed.cas;
    return true;
  }

  /** After a write without an answer the token tells whether the lock is ours. */
  async #confirmCas(holding: Holding, place: KeyPlace): Promise<boolean> {
    if (holding.cas !== undefined) return true;
    const { found, word } = await place.lock.look();
    if (word !== holding.word || !found?.value.equals(this.#token)) return false;
    holding.cas = found.cas;
    return true;
  }

  #end(): false {
    clearTimeout(this.#timer);
    this.#holding = undefined;
    this.#settings.held.delete(this);
    return false;
  }

  /** `place`: the holding's, with the time that is left for this operation. */
  #alone(work: (holding: Holding, place: KeyPlace) => Promise<boolean>): Promise<boolean> {
    const until = performance.now() + this.#settings.timeout;
    const run = async (): Promise<boolean> => {
      const holding = this.#holding;
      return holding !== undefined && work(holding, holding.place.by(until));
    };
    const done = this.#turn.then(run, run);
    this.#turn = done;
    return done;
  }
}

/** The CAS of the entry under the lock's generation. */
async function seenIn(word: string, place: KeyPlace, looking: Promise<Look> | undefined): Promise<bigint | undefined> {
  let look = await (looking ?? place.look());
  // cleared between the two: the lock is lost already, and with it this look
  if (look.word !== word) look = await place.look();
  return look.found?.cas;
}

function pauseAfter(tries: number): number {
  const longest = Math.min(FIRST_PAUSE_MS * 1.6 ** tries, LONGEST_PAUSE_MS);
  return longest * (0.5 + Math.random() / 2);
}

/** Ends early when the signal is aborted. */
function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      listening?.[Symbol.dispose]();
      resolve();
    };
    const timer = setTimeout(end, ms);
    const listening = signal && onAbort(signal, end);
  });
}
