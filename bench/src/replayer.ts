/** Replays a trace through one region: getOrCreate per request, one after another. */

import '@stockpile/backend-lru';
import '@stockpile/backend-memory';
import '@stockpile/backend-memory-pickle';
import { createRegion } from '@stockpile/core';
import { quantile } from './harness.js';
import type { Trace } from './trace.js';

export const BACKENDS = ['memory', 'memory-pickle', 'lru'] as const;
export type ReplayBackend = (typeof BACKENDS)[number];

export interface ReplayOptions {
  readonly backend: ReplayBackend;
  /** For lru: bounds, as its `maxBytes` and `maxItems`. */
  readonly size?: number | undefined;
  readonly items?: number | undefined;
  /** Bytes of a value where the trace does not say. */
  readonly valueSize: number;
}

export interface ReplayResult {
  readonly requests: number;
  readonly uniqueKeys: number;
  readonly hits: number;
  readonly hitRatio: number;
  /** µs of one awaited getOrCreate, the two looks at the clock included. */
  readonly p50: number;
  readonly p99: number;
  readonly requestsPerSecond: number;
  /** Held in the end. */
  readonly entries: number;
  readonly evictions: number;
}

export async function replay({ keys, sizes }: Trace, options: ReplayOptions): Promise<ReplayResult> {
  const { backend, size, items, valueSize } = options;
  let evictions = 0;
  const bounds = {
    ...(size !== undefined && { maxBytes: size }),
    ...(items !== undefined && { maxItems: items }),
    onDelete: (_key: string, _value: unknown, reason: string) => void (reason === 'evict' && evictions++),
  };
  const region = createRegion<Uint8Array>({ name: 'replay' }).configure(backend as string, {
    arguments: backend === 'lru' ? bounds : {},
  });
  // values are views on one piece of memory: the backend counts their bytes, and the replay needs no gigabytes
  const largest = sizes.reduce<number>((most, bytes) => Math.max(most, bytes ?? valueSize), 0);
  const content = new Uint8Array(largest);
  const latencies = new Float64Array(keys.length);
  const start = performance.now();
  for (const [i, key] of keys.entries()) {
    const before = performance.now();
    await region.getOrCreate(key, () => content.subarray(0, sizes[i] ?? valueSize));
    latencies[i] = (performance.now() - before) * 1000;
  }
  const seconds = (performance.now() - start) / 1000;
  const { hits } = region.stats();
  const entries = await region.size();
  await region.close();
  return {
    requests: keys.length,
    uniqueKeys: new Set(keys).size,
    hits,
    hitRatio: hits / keys.length,
    p50: quantile([...latencies], 0.5),
    p99: quantile([...latencies], 0.99),
    requestsPerSecond: keys.length / seconds,
    entries,
    evictions,
  };
}
