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
  /** Of a figure that is no ratio. */
  readonly unit?: string;
  /** Undefined where a side has no number. */
  readonly ratio: Spread | undefined;
  /** Why this machine cannot tell. */
  readonly skipped?: string;
}

interface Promised {
  readonly what: string;
  readonly against: string;
  readonly limit: number;
  /** For what is no ratio. */
  readonly unit?: string;
  /** group, ours, theirs; without the last the number itself is judged */
  readonly of: readonly [group: string, ours: string, theirs?: string];
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
  {
    what: 'Segment.get of one key, 100 characters',
    against: 'lmdb-js get of a text, the same store',
    limit: 1 / 3,
    of: ['shm-hot-get', 'Segment.get', 'lmdb get'],
  },
  {
    what: 'Segment.get, 100,000 keys at random',
    against: 'lmdb-js get of a text',
    limit: 1 / 2,
    of: ['shm-random-get', 'Segment.get', 'lmdb get'],
  },
  {
    what: 'Segment.set of 100 characters',
    against: 'lmdb-js putSync',
    limit: 1 / 10,
    of: ['shm-writes', 'Segment.set', 'lmdb putSync'],
  },
  {
    what: 'Segment.set of 100 characters',
    against: 'lmdb-js put, 10,000 awaited together',
    limit: 1 / 2,
    of: ['shm-writes', 'Segment.set', 'lmdb put, 10,000 awaited together'],
  },
  {
    what: 'Segment.increment',
    against: 'Segment.set of 100 characters, one key',
    limit: 2,
    of: ['shm-writes', 'Segment.increment, one key', 'Segment.set, one key'],
  },
  {
    what: 'region.sync.get hit, shm with near cache',
    against: 'lru-cache get with ttl',
    limit: 3,
    of: ['shm-near-cache', 'region.sync.get (shm, near cache)', 'lru-cache get with ttl'],
  },
  {
    what: 'region.sync.get hit, shm with near cache',
    against: 'bare deserialisation of the same bytes',
    limit: 1 / 4,
    of: ['shm-near-cache', 'region.sync.get (shm, near cache)', 'bare deserialisation of the same bytes'],
  },
  {
    what: 'awaited getOrCreate hit, shm with near cache',
    against: 'cache-manager wrap',
    limit: 1 / 2,
    of: ['shm-get-or-create', 'region.getOrCreate (shm, near cache)', 'cache-manager wrap'],
  },
  {
    what: 'awaited get of a text, Segment against bare client',
    against: 'memcached over TCP',
    limit: 1 / 50,
    of: ['shm-memcached', 'Segment.get (shm)', 'memcached over TCP (memjs)'],
  },
  {
    what: 'awaited get of a text, Segment against bare client',
    against: 'memcached over a unix socket',
    limit: 1 / 50,
    of: ['shm-memcached', 'Segment.get (shm)', 'memcached over a unix socket (memjs)'],
  },
  {
    what: 'awaited get of a text, Segment against bare client',
    against: 'Redis over TCP',
    limit: 1 / 50,
    of: ['shm-redis', 'Segment.get (shm)', 'Redis over TCP (ioredis)'],
  },
  {
    what: 'awaited get of a text, Segment against bare client',
    against: 'Redis over a unix socket',
    limit: 1 / 50,
    of: ['shm-redis', 'Segment.get (shm)', 'Redis over a unix socket (ioredis)'],
  },
  {
    what: 'time per Segment.get of two processes at once',
    against: 'one process',
    limit: 1 / 1.8,
    of: ['shm-two-processes', 'two processes at once', 'one process'],
  },
  {
    what: 'wake-up of a subscriber in another process',
    against: 'set to callback, median',
    limit: 100,
    unit: 'µs',
    of: ['shm-wake-up', 'median of a round'],
  },
  {
    what: 'system calls of 1,000,000 gets and sets',
    against: '100,000 of each, and 3 per s',
    limit: 0,
    unit: 'more',
    of: ['shm-system-calls', 'beyond that and 3 per s'],
  },
  {
    what: 'hit ratio of lru-cache, mean of 4 traces at 1, 5, 10, 25 %',
    against: 'shm, a segment of as many bytes',
    limit: 1,
    of: ['shm-traces', 'lru-cache, the bytes of the segment, mean', 'shm, mean'],
  },
  {
    what: 'bytes per entry in a full segment',
    against: 'beyond a key of 16 and a value of 100',
    limit: 112,
    unit: 'bytes',
    of: ['shm-memory', 'meanItemBytes: 116'],
  },
];
const HEAP_LIMIT = 1.6;

/** `skipped`: by group, why it was not measured. */
export function figures(
  measured: Measured,
  heap: HeapMeasured | undefined,
  skipped: Readonly<Record<string, string>> = {},
): Figure[] {
  const asked = PROMISED.filter(({ of: [group] }) => measured[group] !== undefined || skipped[group] !== undefined);
  const timed = asked.map(({ of, ...promised }) => {
    const [group, ours, theirs] = of;
    const mine = measured[group]?.[ours];
    const other = theirs === undefined ? mine?.map(() => 1) : measured[group]?.[theirs];
    const reason = skipped[group];
    return {
      ...promised,
      ratio: mine && other && spread(ratios(mine, other)),
      ...(reason !== undefined && { skipped: reason }),
    };
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

/** It was measured, and is not as promised. */
export function isMissed(figure: Figure): boolean {
  return figure.skipped === undefined && !isMet(figure);
}

/** `0.25 (0.24 to 0.27), at most 0.33: ok` */
export function verdict(figure: Figure): string {
  if (figure.skipped !== undefined) return `not measured: ${figure.skipped}`;
  if (figure.ratio === undefined) return `no number: the gate refused a side: miss`;
  const unit = figure.unit === undefined ? '' : ` ${figure.unit}`;
  return `${show(figure.ratio)}${unit}, at most ${digits(figure.limit)}${unit}: ${isMet(figure) ? 'ok' : 'miss'}`;
}

export function show({ median, p25, p75 }: Spread): string {
  return `${digits(median)} (${digits(p25)} to ${digits(p75)})`;
}

/** Three digits that matter. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
