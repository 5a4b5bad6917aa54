/** A skewed choice, the same for every run: few packages are asked for often, most of them rarely. */

/** Numbers from 0 up to 1, the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` numbers below `count`; the n-th (from 1) comes with a probability proportional to 1/n (Zipf's law). */
export function zipfSequence(count: number, length: number, seed: number): Uint32Array {
  const upTo = new Float64Array(count);
  let total = 0;
  for (let n = 0; n < count; n++) {
    total += 1 / (n + 1);
    upTo[n] = total;
  }
  const random = seededRandom(seed);
  return Uint32Array.from({ length }, () => firstAbove(upTo, random() * total));
}

/** A Zipf sequence of `length`, followed by those below `count` that it left out: each comes at least once. */
export function coveringSequence(count: number, length: number, seed: number): Uint32Array {
  const chosen = zipfSequence(count, length, seed);
  const left = new Set(Array.from({ length: count }, (_, index) => index));
  for (const index of chosen) left.delete(index);
  return Uint32Array.from([...chosen, ...left]);
}

/** The items in another order, the same for the same seed. */
export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = seededRandom(seed);
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function firstAbove(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
