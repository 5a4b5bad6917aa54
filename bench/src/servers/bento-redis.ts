/** BentoCache over Redis: no layer in memory, and its own driver. */

import { register } from 'node:module';
import { BentoCache, type BentoStore, bentostore } from 'bentocache';
import type { Place } from './start.js';

export type BentoOverRedis = BentoCache<{ redis: BentoStore }>;

export type OpenBento = (connection: Place, ttl: number) => BentoOverRedis;

/** Its driver wants to find ioredis 5 beside itself; it is given the ioredis of the benchmark. */
export async function bentoRedis(): Promise<OpenBento> {
  register('./own-ioredis.js', import.meta.url);
  const { redisDriver } = await import('bentocache/drivers/redis');
  return (connection, ttl) =>
    new BentoCache({
      default: 'redis',
      ttl,
      stores: { redis: bentostore().useL2Layer(redisDriver({ connection })) },
    });
}
