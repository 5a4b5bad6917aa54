/** Loaded before everything else: a wall clock that can be set, as far as `Date.now` tells it. */

const realNow = Date.now;
let shift = 0;

Date.now = () => realNow() + shift;

(globalThis as { shiftClock?: (ms: number) => void }).shiftClock = (ms) => {
  shift += ms;
};
