/** The comparisons, each run in processes of its own. */

import type { Contender, Rounds, Settings } from '../harness.js';
import { awaitedGet } from './awaited-get.js';
import { getOrCreate } from './get-or-create.js';
import { keyvGet } from './keyv.js';
import { lru } from './lru.js';
import { manyRegions } from './many-regions.js';
import { memcachedConcurrent, memcachedGet, memcachedMulti } from './memcached.js';
import { misses } from './misses.js';
import { multi } from './multi.js';
import { pickle } from './pickle.js';
import { proxies } from './proxies.js';
import { redisConcurrent, redisGet, redisMulti, redisSetMulti } from './redis.js';
import { shmGetOrCreate } from './shm-get-or-create.js';
import { shmHotGet } from './shm-hot-get.js';
import { shmMemory } from './shm-memory.js';
import { shmNearCache } from './shm-near-cache.js';
import { shmRandomGet } from './shm-random-get.js';
import { shmRegions } from './shm-regions.js';
import { shmMemcached, shmRedis } from './shm-servers.js';
import { shmSystemCalls } from './shm-system-calls.js';
import { shmTraces } from './shm-traces.js';
import { shmTwoProcesses } from './shm-two-processes.js';
import { shmWakeUp } from './shm-wake-up.js';
import { shmWrites } from './shm-writes.js';
import { syncGet } from './sync-get.js';
import { writes } from './writes.js';

export type Group = TimedGroup | CountedGroup;

interface Titled {
  readonly title: string;
  /** Whose time is 1 in the tables. */
  readonly reference: string;
  /** Of the numbers in the tables. Default ns. */
  readonly unit?: string;
}

/** Contenders that are timed side by side. Throws `Skip` where this machine has not what they need. */
export interface TimedGroup extends Titled {
  readonly contenders: () => Promise<readonly Contender[]>;
}

/** What cannot be had by timing calls one after another: it makes its numbers itself. Throws `Skip` too. */
export interface CountedGroup extends Titled {
  readonly rounds: (settings: Settings) => Promise<Rounds>;
}

export const GROUPS: Readonly<Record<string, Group>> = {
  'get-or-create': getOrCreate,
  'sync-get': syncGet,
  'awaited-get': awaitedGet,
  multi,
  pickle,
  lru,
  proxies,
  misses,
  writes,
  'many-regions': manyRegions,
  'shm-hot-get': shmHotGet,
  'shm-random-get': shmRandomGet,
  'shm-writes': shmWrites,
  'shm-near-cache': shmNearCache,
  'shm-get-or-create': shmGetOrCreate,
  'shm-regions': shmRegions,
  'shm-memcached': shmMemcached,
  'shm-redis': shmRedis,
  'shm-two-processes': shmTwoProcesses,
  'shm-wake-up': shmWakeUp,
  'shm-system-calls': shmSystemCalls,
  'shm-traces': shmTraces,
  'shm-memory': shmMemory,
  'redis-get': redisGet,
  'redis-concurrent': redisConcurrent,
  'redis-multi': redisMulti,
  'redis-set-multi': redisSetMulti,
  'memcached-get': memcachedGet,
  'memcached-concurrent': memcachedConcurrent,
  'memcached-multi': memcachedMulti,
  'keyv-get': keyvGet,
};
