/** Heap per entry: 1 M small entries in a memory region, against a Map of the same values with an expiry number. */

import type { Expiring } from './by-hand.js';
import { region } from './regions.js';
import { TTL_MS } from './workload.js';

export const ENTRIES = 1_000_000;
export const VALUES = ['numbers', 'objects'] as const;
export type ValueKind = (typeof VALUES)[number];
export const HOLDERS = ['map', 'region'] as const;
export type Holder = (typeof HOLDERS)[number];

/** Bytes per entry, keys and values included. To be asked once in a process: it leaves its garbage behind. */
export function bytesPerEntry(holder: Holder, kind: ValueKind): number {
  const value = kind === 'numbers' ? (i: number): unknown => i : (i: number): unknown => ({ id: i });
  const fill = holder === 'map' ? fillMap : fillRegion;
  const before = used();
  const held = fill(value);
  const bytes = used() - before;
  if (held.size !== ENTRIES) throw new Error(`${held.size} of ${ENTRIES} entries are there`);
  return bytes / ENTRIES;
}

interface Held {
  readonly size: number;
}

function fillMap(value: (i: number) => unknown): Held {
  const map = new Map<string, Expiring<unknown>>();
  for (let i = 0; i < ENTRIES; i++) map.set(`key:${i}`, { value: value(i), expiresAt: Date.now() + TTL_MS });
  return map;
}

function fillRegion(value: (i: number) => unknown): Held {
  const { sync } = region<unknown>('memory');
  for (let i = 0; i < ENTRIES; i++) sync.set(`key:${i}`, value(i));
  return {
    get size() {
      return sync.size();
    },
  };
}

function used(): number {
  if (globalThis.gc === undefined) throw new Error('run node with --expose-gc');
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
