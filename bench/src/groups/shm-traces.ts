/** Which share of the requests of real traffic is a hit, in as many bytes as lru-cache has. */

import { existsSync } from 'node:fs';
import { ValueTooLargeError } from '@stockpile/core';
import { LRUCache } from 'lru-cache';
import { type Rounds, Skip } from '../harness.js';
import { discard, temporarySegment } from '../shm/segments.js';
import { findTrace, readTrace, TRACES, type Trace } from '../trace.js';
import type { CountedGroup } from './index.js';

/** Name, and the bytes of its objects where it has no sizes: enough for the smallest segment to be 1 % of them all. */
const NAMES: readonly (readonly [name: string, bytes: number])[] = [
  ['web07', 8192],
  ['web12', 8192],
  ['corda-vault', 4096],
  ['cdn-request', 0],
];
const SHARES = [1, 5, 10, 25] as const;
const LEAST_BYTES = 2 ** 20;

const OURS = 'shm';
/** A byte of the segment is a byte of lru-cache, which is charged for keys and values alone. */
const SAME_BYTES = 'lru-cache, the bytes of the segment';
/** What the segment keeps for itself is not given to lru-cache. */
const SAME_ROOM = 'lru-cache, the bytes of the entries in the segment';

export const shmTraces: CountedGroup = {
  title: 'Shared memory: hit ratio on four traces',
  reference: `${OURS}, mean`,
  unit: '%',
  async rounds(): Promise<Rounds> {
    if (!existsSync(TRACES)) throw new Skip(`the traces are not in ${TRACES}`);
    const found: { who: string; share: number; ratio: number }[] = [];
    for (const [name, bytes] of NAMES) {
      const requests = withSizes(readTrace(findTrace(name)), bytes);
      for (const share of SHARES) {
        for (const [who, ratio] of Object.entries(hitRatios(requests, share))) {
          found.push({ who, share, ratio });
        }
      }
    }
    const row = (contender: string, of: readonly number[]): number[] => [
      mean(found.filter(({ who, share }) => who === contender && of.includes(share)).map(({ ratio }) => ratio)),
    ];
    const contenders = [OURS, SAME_BYTES, SAME_ROOM];
    return Object.fromEntries([
      ...contenders.map((who) => [`${who}, mean`, row(who, SHARES)]),
      ...SHARES.flatMap((share) => contenders.map((who) => [`${who}, ${share} %`, row(who, [share])])),
    ]);
  },
};

interface Requests {
  readonly keys: readonly string[];
  readonly sizes: readonly number[];
  /** Bytes of all keys and values, each once. */
  readonly footprint: number;
}

function withSizes({ keys, sizes }: Trace, bytes: number): Requests {
  const held = new Map(keys.map((key, i) => [key, key.length + (sizes[i] ?? bytes)]));
  const footprint = [...held.values()].reduce((sum, size) => sum + size, 0);
  return { keys, sizes: sizes.map((size) => size ?? bytes), footprint };
}

/** In %, of each contender. */
function hitRatios({ keys, sizes, footprint }: Requests, share: number): Record<string, number> {
  const size = Math.max(LEAST_BYTES, Math.round((footprint * share) / 100));
  const unique = new Set(keys).size;
  const segment = temporarySegment({ size, meanItemBytes: Math.max(64, Math.round(footprint / unique)) });
  const content = new Uint8Array(sizes.reduce((most, bytes) => Math.max(most, bytes), 0));
  let hits = 0;
  for (const [i, key] of keys.entries()) {
    if (segment.get(key) !== undefined) hits++;
    else store(segment, key, content.subarray(0, sizes[i]));
  }
  const { byteSize, bytes } = segment;
  discard(segment);
  return {
    [OURS]: (hits / keys.length) * 100,
    [SAME_BYTES]: lruHitRatio(keys, sizes, byteSize),
    [SAME_ROOM]: lruHitRatio(keys, sizes, bytes),
  };
}

/** What is larger than any entry may be is not cached, as lru-cache does it. */
function store(segment: ReturnType<typeof temporarySegment>, key: string, content: Uint8Array): void {
  try {
    segment.set(key, content);
  } catch (error) {
    if (!(error instanceof ValueTooLargeError)) throw error;
  }
}

function lruHitRatio(keys: readonly string[], sizes: readonly number[], maxSize: number): number {
  const cache = new LRUCache<string, number>({
    maxSize,
    sizeCalculation: (size, key) => Math.max(1, size + key.length),
  });
  let hits = 0;
  for (const [i, key] of keys.entries()) {
    if (cache.get(key) !== undefined) hits++;
    else cache.set(key, sizes[i] as number);
  }
  return (hits / keys.length) * 100;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
