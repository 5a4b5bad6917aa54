/** The promised figures. */

import { WAYS } from './servers/texts.js';

export interface Promised {
  readonly what: string;
  readonly against: string;
  readonly limit: number;
  /** For what is no ratio. */
  readonly unit?: string;
  /** group, ours, theirs; without the last the number itself is judged */
  readonly of: readonly [group: string, ours: string, theirs?: string];
}

export const PROMISED: readonly Promised[] = [
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
  ...WAYS.flatMap((way): Promised[] => [
    {
      what: `redis region.get, one after another, ${way}`,
      against: 'ioredis getBuffer',
      limit: 1.15,
      of: ['redis-get', `region.get, ${way}`, `ioredis getBuffer, ${way}`],
    },
    {
      what: `redis region.get, 100 concurrent, ${way}`,
      against: 'ioredis getBuffer, no auto-pipelining',
      limit: 1,
      of: ['redis-concurrent', `region.get, ${way}`, `ioredis getBuffer, ${way}`],
    },
    {
      what: `redis region.getMulti of 100, ${way}`,
      against: 'ioredis mgetBuffer',
      limit: 1.3,
      of: ['redis-multi', `region.getMulti, ${way}`, `ioredis mgetBuffer, ${way}`],
    },
    {
      what: `redis region.getMulti of 100, ${way}`,
      against: 'Keyv getMany over one MGET of ioredis',
      limit: 1 / 3,
      of: ['redis-multi', `region.getMulti, ${way}`, `Keyv getMany (one MGET), ${way}`],
    },
    {
      what: `redis getMulti of 100, the driver without a region, ${way}`,
      against: 'Keyv getMany over one MGET of ioredis',
      limit: 1 / 3,
      of: ['redis-multi', `getMulti of the driver, ${way}`, `Keyv getMany (one MGET), ${way}`],
    },
    {
      what: `redis region.getMulti of 100, ${way}`,
      against: '100 BentoCache gets at once, Redis layer only',
      limit: 1 / 6,
      of: ['redis-multi', `region.getMulti, ${way}`, `100 BentoCache gets at once, ${way}`],
    },
    {
      what: `redis region.setMulti of 100 with ttl, ${way}`,
      against: 'ioredis pipeline of SET PX',
      limit: 1.3,
      of: ['redis-set-multi', `region.setMulti, ${way}`, `ioredis pipeline of SET PX, ${way}`],
    },
  ]),
  ...WAYS.flatMap((way): Promised[] => [
    {
      what: `memcached region.get, one after another, ${way}`,
      against: 'memjs get',
      limit: 1.15,
      of: ['memcached-get', `region.get, ${way}`, `memjs get, ${way}`],
    },
    {
      what: `memcached region.get, 100 concurrent, ${way}`,
      against: 'memjs get',
      limit: 1.1,
      of: ['memcached-concurrent', `region.get, ${way}`, `memjs get, ${way}`],
    },
    {
      what: `memcached region.getMulti of 100, ${way}`,
      against: '100 memjs gets at once',
      limit: 0.6,
      of: ['memcached-multi', `region.getMulti, ${way}`, `100 memjs gets at once, ${way}`],
    },
  ]),
  {
    what: "keyv region.get over Keyv's own Map",
    against: 'Keyv get',
    limit: 1.2,
    of: ['keyv-get', 'region.get (keyv)', 'Keyv get'],
  },
];
