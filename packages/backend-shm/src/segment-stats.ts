/** What the engine counts, with names. */

import type { NativeSegment } from './native.js';

/** What participants have counted since they attached. */
export interface OperationCounts {
  readonly hits: number;
  readonly misses: number;
  /** Hits of near caches, which did not ask the engine. */
  readonly nearHits: number;
  readonly sets: number;
  readonly deletes: number;
  readonly increments: number;
  /** Conditional writes whose condition did not hold. */
  readonly conditionFailures: number;
  /** Reads that were begun again since a write came between. */
  readonly retries: number;
  /** Writes that had to wait for another. */
  readonly lockWaits: number;
  /** Operations that gave up on a part of the segment that somebody holds and does not go on with. */
  readonly busy: number;
  readonly tooLarge: number;
  /** Damaged words of the index that were passed over. */
  readonly badWords: number;
  /** Locks taken over from dead processes. */
  readonly recoveries: number;
}

export interface SegmentStats {
  /** Entries, those that have ended and were not met since included. */
  readonly items: number;
  readonly liveBytes: number;
  /** Bytes of what is never evicted. */
  readonly pinnedBytes: number;
  /** Bytes in use for records, live or not. */
  readonly usedBytes: number;
  /** Bytes of the whole segment. */
  readonly byteSize: number;
  /** Live entries that had to make room. */
  readonly evicted: number;
  /** Those of them that left since their place in the index was full. If they are many, `meanItemBytes` is too large. */
  readonly bucketEvicted: number;
  /** Entries that had ended when their space was used again. */
  readonly expired: number;
  /** Parts that a process died in, and that were put in order again. */
  readonly recoveries: number;
  /** Parts that were found damaged and emptied. */
  readonly wipes: number;
  /** Threads and processes that have it open now. */
  readonly participants: number;
  readonly own: OperationCounts;
  /** Of all participants, past and present. */
  readonly all: OperationCounts;
}

/** As `Counter` and `ShardStats` in native/engine.h. */
const COUNTERS = [
  'hits',
  'misses',
  'nearHits',
  'sets',
  'deletes',
  'increments',
  'conditionFailures',
  'retries',
  'lockWaits',
  'busy',
  'tooLarge',
  'badWords',
  'recoveries',
] as const satisfies readonly (keyof OperationCounts)[];
const COUNTERS_EACH = 16;
const [LIVE_BYTES, PINNED, USED, SMALL, MAIN, EXPIRED, BUCKET, RECOVERIES, WIPES] = [1, 2, 3, 4, 5, 9, 10, 11, 12];
const SHARD_FIELDS = 13;

export function readStats(native: NativeSegment): SegmentStats {
  const shards = native.shardStats();
  const sum = (...fields: readonly number[]): number => {
    let total = 0;
    for (let at = 0; at < shards.length; at += SHARD_FIELDS) {
      for (const field of fields) total += shards[at + field] ?? 0;
    }
    return total;
  };
  const counters = native.counters();
  return {
    items: native.items(),
    liveBytes: sum(LIVE_BYTES),
    pinnedBytes: sum(PINNED),
    usedBytes: sum(USED),
    byteSize: native.byteSize,
    evicted: sum(SMALL, MAIN, BUCKET),
    bucketEvicted: sum(BUCKET),
    expired: sum(EXPIRED),
    recoveries: sum(RECOVERIES),
    wipes: sum(WIPES),
    participants: native.participants(),
    own: countsFrom(counters, 0),
    all: countsFrom(counters, COUNTERS_EACH),
  };
}

function countsFrom(counters: Float64Array, begin: number): OperationCounts {
  const counts = COUNTERS.map((name, i) => [name, counters[begin + i] ?? 0] as const);
  return Object.fromEntries(counts) as Record<(typeof COUNTERS)[number], number>;
}
