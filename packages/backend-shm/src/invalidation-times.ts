/** The invalidation times of one region, as text for the segment. */

import { addInvalidation, type InvalidationTimes } from '@stockpile/core';

type Pairs = readonly (readonly [string, number])[];
/** null stands for -Infinity, which JSON does not know. */
type Written = readonly [hard: number | null, soft: number | null, hardTags: Pairs, softTags: Pairs];

export function writeTimes({ hard, soft, hardTags, softTags }: InvalidationTimes): Buffer {
  const written: Written = [hard, soft, [...hardTags], [...softTags]];
  return Buffer.from(JSON.stringify(written));
}

/** Adds what `text` tells to `times`, which only grow. What is no such text tells nothing. */
export function addWritten(times: InvalidationTimes, text: string): void {
  const [hard, soft, hardTags, softTags] = parse(text);
  if (typeof hard === 'number') addInvalidation(times, { hard: true, tags: undefined, at: hard });
  if (typeof soft === 'number') addInvalidation(times, { hard: false, tags: undefined, at: soft });
  for (const [tag, at] of pairs(hardTags)) addInvalidation(times, { hard: true, tags: [tag], at });
  for (const [tag, at] of pairs(softTags)) addInvalidation(times, { hard: false, tags: [tag], at });
}

/** A copy. */
export function copyOf({ hard, soft, hardTags, softTags }: InvalidationTimes): InvalidationTimes {
  return { hard, soft, hardTags: new Map(hardTags), softTags: new Map(softTags) };
}

/**
 * Fewer bytes for the same or more that is invalid: the older half of the tags of each kind becomes an invalidation of
 * the whole region as of the newest of them. False: there are no tags.
 */
export function shorten(times: InvalidationTimes): boolean {
  const { hardTags, softTags } = times;
  if (hardTags.size + softTags.size === 0) return false;
  for (const hard of [true, false]) {
    const sorted = [...(hard ? hardTags : softTags).values()].sort((a, b) => a - b);
    const at = sorted[Math.floor((sorted.length - 1) / 2)];
    if (at !== undefined) addInvalidation(times, { hard, tags: undefined, at });
  }
  return true;
}

function parse(text: string): readonly unknown[] {
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) ? read : [];
  } catch {
    return [];
  }
}

function pairs(read: unknown): Pairs {
  const isPair = (pair: unknown): pair is [string, number] =>
    Array.isArray(pair) && typeof pair[0] === 'string' && typeof pair[1] === 'number';
  return Array.isArray(read) ? read.filter(isPair) : [];
}
