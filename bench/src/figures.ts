/** The promised figures, and how they were met. */

import { type Rounds, ratios, type Spread, spread } from './harness.js';
import type { Holder, ValueKind } from './heap.js';

/** ns per call, by group and contender. */
export type Measured = Readonly<Record<string, Rounds>>;
/** Bytes per entry, one number per child process. */
export type HeapMeasured = Readonly<Record<ValueKind, Readonly<Record<Holder, readonly number[]>>>>;

export interface Figure {
  readonly what: string;
  readonly against: string;
  readonly limit: number;
  /** Undefined where a side has no number. */
  readonly ratio: Spread | undefined;
}

interface Promised {
  readonly what: string;
  readonly against: string;
  readonly limit: number;
  /** group, ours, theirs */
  readonly of: readonly [group: string, ours: string, theirs: string];
}

const PROMISED: readonly Promised[] = [
  {
    what: 'awaited getOrCreate hit, memory',
    against: 'lru-cache fetch hit',
    limit: 2,
    of: ['get-or-create', 'region.getOrCreate (memory)', 'lru-cache fetch'],
  },
  {
    what: 'awaited getOrCreate hit, memory',
    against: 'async-cache-dedupe',
    limit: 1 / 3,
    of: ['get-or-create', 'region.getOrCreate (memory)', 'async-cache-dedupe'],
  },
  {
    what: 'awaited getOrCreate hit, memory',
    against: 'BentoCache getOrSet',
    limit: 1 / 15,
    of: ['get-or-create', 'region.getOrCreate (memory)', 'BentoCache getOrSet'],
  },
  {
    what: 'region.sync.get hit, memory',
    against: 'Map.get + ttl check by hand',
    limit: 4,
    of: ['sync-get', 'region.sync.get (memory)', 'Map.get and Date.now() by hand'],
  },
  {
    what: 'region.sync.get hit, memory',
    against: 'lru-cache get with ttl',
    limit: 2,
    of: ['sync-get', 'region.sync.get (memory)', 'lru-cache get with ttl'],
  },
  {
    what: 'region.sync.getMulti of 100, memory',
    against: '100 × region.sync.get',
    limit: 1.2,
    of: ['multi', 'region.sync.getMulti (memory)', '100 × region.sync.get (memory)'],
  },
  {
    what: 'memory-pickle hit, region.sync.get',
    against: 'bare deserialisation of the same bytes',
    limit: 1.3,
    of: ['pickle', 'region.sync.get (memory-pickle)', 'bare deserialisation (node:v8)'],
  },
  {
    what: 'region.sync.get behind 2 proxies',
    against: 'the same without',
    limit: 1.25,
    of: ['proxies', 'region.sync.get, 2 proxies', 'region.sync.get'],
  },
  {
    what: 'region.getOrCreate behind 2 proxies',
    against: 'the same without',
    limit: 1.25,
    of: ['proxies', 'region.getOrCreate, 2 proxies', 'region.getOrCreate'],
  },
];
const HEAP_LIMIT = 1.6;

export function figures(measured: Measured, heap: HeapMeasured | undefined): Figure[] {
  const timed = PROMISED.filter(({ of: [group] }) => measured[group] !== undefined).map((promised) => {
    const { what, against, limit, of } = promised;
    const [group, ours, theirs] = of;
    const mine = measured[group]?.[ours];
    const other = measured[group]?.[theirs];
    return { what, against, limit, ratio: mine && other && spread(ratios(mine, other)) };
  });
  const held = Object.entries(heap ?? {}).map(([kind, { region, map }]) => ({
    what: `heap per entry, memory (1 M ${kind})`,
    against: 'Map of { value, expiresAt }',
    limit: HEAP_LIMIT,
    ratio: spread(ratios(region, map)),
  }));
  return [...timed, ...held];
}

export function isMet({ ratio, limit }: Figure): boolean {
  return ratio !== undefined && ratio.median <= limit;
}

/** `0.25 (0.24 to 0.27), at most 0.33: ok` */
export function verdict(figure: Figure): string {
  if (figure.ratio === undefined) return `no number: the gate refused a side: miss`;
  return `${show(figure.ratio)}, at most ${digits(figure.limit)}: ${isMet(figure) ? 'ok' : 'miss'}`;
}

export function show({ median, p25, p75 }: Spread): string {
  return `${digits(median)} (${digits(p25)} to ${digits(p75)})`;
}

/** Three digits that matter. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
