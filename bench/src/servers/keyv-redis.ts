/** Keyv over Redis. */

import { Redis } from 'ioredis';
import { Keyv } from 'keyv';
import type { Place } from './start.js';

/**
 * What a Keyv store must have, on ioredis. `getMany` is one MGET, as in @keyv/redis, which is not installed here: it
 * brings a second client of Redis.
 */
class RedisStore {
  constructor(private readonly redis: Redis) {}

  async get(key: string): Promise<string | undefined> {
    return (await this.redis.get(key)) ?? undefined;
  }

  async getMany(keys: string[]): Promise<(string | undefined)[]> {
    const values = await this.redis.mget(keys);
    return values.map((value) => value ?? undefined);
  }

  async set(key: string, value: string, ttl?: number): Promise<boolean> {
    await (ttl === undefined ? this.redis.set(key, value) : this.redis.set(key, value, 'PX', ttl));
    return true;
  }

  async delete(key: string): Promise<boolean> {
    return (await this.redis.unlink(key)) > 0;
  }

  /** Keyv wants one. Here nobody calls it, so it removes nothing. */
  async clear(): Promise<void> {
    throw new Error('not of this benchmark');
  }

  async disconnect(): Promise<void> {
    this.redis.disconnect();
  }
}

export function keyvOverRedis(where: Place, ttl: number): Keyv {
  return new Keyv({ store: new RedisStore(new Redis(where)), ttl });
}
