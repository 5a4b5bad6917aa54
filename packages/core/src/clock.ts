/** Where time comes from. */

// not the global, which may be a test's fake one, or a browser's in a test of one
import { setTimeout } from 'node:timers';

/** A source of time. `Date` is one; tests hand in their own. */
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}

const SystemDate = Date;
const systemNow = Date.now;
/** A reading of the system clock serves at most this many judgements, also when the event loop never turns. */
const READS_PER_READING = 16;

let reading = 0;
let readsLeft = 0;
/** Whether a timer will end the current reading: one at a time, however long the event loop is blocked. */
let armed = false;
const endBurst = (): void => {
  readsLeft = 0;
  armed = false;
};

/**
 * The time by which hits are judged. Reading the system clock costs more than the rest of a hit, so in a burst of
 * hits one reading is shared: for at most 1 ms of a running event loop and at most 16 reads of a blocked one. A clock
 * handed in by the user, or a `Date` replaced by a test's fake timers, is read every time.
 */
function burstTime(): number {
  if (readsLeft > 0 && Date === SystemDate && Date.now === systemNow) {
    readsLeft--;
    return reading;
  }
  return beginBurst();
}

function beginBurst(): number {
  if (Date !== SystemDate || Date.now !== systemNow) return Date.now();
  if (!armed) setTimeout(endBurst, 1).unref();
  armed = true;
  readsLeft = READS_PER_READING - 1;
  reading = systemNow();
  return reading;
}

/** The clock used where the application gives none: epoch time of the system. */
export const systemClock: Clock = {
  now(): number {
    readsLeft = 0; // what is written now is never judged by an older reading
    return Date.now();
  },
};

/** How hits read `clock`: see `burstTime`. */
export function hitTime(clock: Clock): () => number {
  return clock === systemClock ? burstTime : () => clock.now();
}
