/** TypeScript that becomes CommonJS: its imports are calls of require. */

import { createRegion, type Region } from '@stockpile/core';

import keyv = require('@stockpile/backend-keyv');
import lru = require('@stockpile/backend-lru');
import memcached = require('@stockpile/backend-memcached');
import redis = require('@stockpile/backend-redis');
import shm = require('@stockpile/backend-shm');

export const region: Region<string> = createRegion<string>().configure('lru', { arguments: { maxItems: 5 } });
export const driver: lru.LruBackend = new lru.LruBackend({ maxItems: 5 });
export const shared: Region<string> = createRegion<string>().configure('shm', { arguments: { segment: 'app' } });
export const isThrownBySegments = (error: unknown): boolean => error instanceof shm.SegmentOpenError;
export const remote: (memcached.MemcachedBackend | redis.RedisBackend | keyv.KeyvBackend)[] = [
  new memcached.MemcachedBackend({ url: 'localhost' }),
  new redis.RedisBackend({ url: 'redis://localhost' }),
  new keyv.KeyvBackend({ store: new Map() }),
];
