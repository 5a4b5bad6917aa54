/** One Redis, and those who ask it, each over a connection of its own to the socket or to the port. */

import { RedisBackend } from '@stockpile/backend-redis';
import { createRegion, type Region } from '@stockpile/core';
import { Redis } from 'ioredis';
import { type Place, places, startRedis } from './start.js';
import { REGION, storedKeys, storedSlices, TTL_MS, texts, type Way } from './texts.js';

export interface RedisAskers {
  readonly where: Place;
  readonly bare: Redis;
  readonly region: Region<string>;
  readonly driver: RedisBackend;
  /** Bytes of a value: the text, and what the region puts around it. The bare client moves as many. */
  readonly bytes: number;
  /** What the server holds, 100 at a time. */
  readonly stored: readonly ReadonlyMap<string, Buffer>[];
}

/** The server holds all texts, as regions store them. @throws Skip where there is no redis-server. */
export async function redisAskers(): Promise<Readonly<Record<Way, RedisAskers>>> {
  const ways = places(await startRedis());
  const overSocket = await askers(ways['unix socket']);
  return { 'unix socket': overSocket, TCP: await askers(ways.TCP) };
}

/** Both with their defaults; ioredis has auto-pipelining off. */
async function askers(where: Place): Promise<RedisAskers> {
  const region = createRegion<string>({ name: REGION }).configure('redis', {
    expirationTime: TTL_MS,
    arguments: where,
  });
  await region.setMulti(texts);
  const bare = new Redis(where);
  const stored: ReadonlyMap<string, Buffer>[] = [];
  for (const slice of storedSlices) {
    const found = await bare.mgetBuffer([...slice]);
    if (found.includes(null)) throw new Error('redis: regions store under other keys now');
    stored.push(new Map(slice.map((key, i) => [key, found[i] as Buffer])));
  }
  const bytes = stored[0]?.get(storedKeys[0] as string)?.length ?? 0;
  return { where, bare, region, driver: new RedisBackend(where), bytes, stored };
}
