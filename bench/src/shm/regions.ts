/** Regions over shared memory, each in a segment of its own that lasts as long as this process. */

import { unlinkSegment } from '@stockpile/backend-shm';
import { createRegion, type Region } from '@stockpile/core';
import { atExit } from '../at-exit.js';
import { keys, load, TTL_MS, type Value } from '../workload.js';
import { orSkip, SEGMENT_BYTES, segmentName } from './segments.js';

export interface ShmChoice {
  readonly ttlMs?: number;
  /** Whether decoded values are kept, of as many entries as the lru-cache of the benchmark keeps. */
  readonly near?: boolean;
}

export function shmRegion<V>({ ttlMs = TTL_MS, near = false }: ShmChoice = {}): Region<V> {
  const segment = segmentName();
  const region = orSkip(() =>
    createRegion<V>({ name: 'bench' }).configure('shm', {
      expirationTime: ttlMs,
      arguments: { segment, size: SEGMENT_BYTES, nearCache: near && { maxItems: 10_000 } },
    }),
  );
  atExit(() => unlinkSegment(segment));
  return region;
}

/** One that holds the values of all keys, stored by creators as in use. */
export function filledShmRegion(choice: ShmChoice = {}): Region<Value> {
  const filled = shmRegion<Value>(choice);
  for (const key of keys) filled.sync.getOrCreate(key, () => load(key));
  for (const key of keys) filled.sync.get(key); // a near cache keeps what was read
  return filled;
}
