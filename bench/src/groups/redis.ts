/** What a region over Redis costs beyond a bare client, and beside other caches over Redis: over a socket, and TCP. */

import type { Contender } from '../harness.js';
import { atOnce, awaitedMultiTextReads, awaitedMultiWrites, awaitedTextReads } from '../loops.js';
import { bentoRedis } from '../servers/bento-redis.js';
import { keyvOverRedis } from '../servers/keyv-redis.js';
import { type RedisAskers, redisAskers } from '../servers/redis.js';
import { LENGTH, storedKeys, storedSlices, textSlices, texts, WAYS, type Way } from '../servers/texts.js';
import { keys, slices, TTL_MS } from '../workload.js';
import type { TimedGroup } from './index.js';

async function overBoth(contenders: (askers: RedisAskers, way: Way) => readonly Contender[]): Promise<Contender[]> {
  const askers = await redisAskers();
  return WAYS.flatMap((way) => [...contenders(askers[way], way)]);
}

export const redisGet: TimedGroup = {
  title: 'Redis: awaited get of a text of 100 characters, one after another',
  reference: 'ioredis getBuffer, unix socket',
  contenders: () =>
    overBoth(({ bare, region, driver, bytes }, way) => [
      {
        name: `ioredis getBuffer, ${way}`,
        batch: awaitedTextReads((key) => bare.getBuffer(key) as Promise<Buffer>, storedKeys, bytes),
      },
      { name: `region.get, ${way}`, subject: 'redis', batch: awaitedTextReads((key) => region.get(key), keys, LENGTH) },
      { name: `get of the driver, ${way}`, batch: awaitedTextReads((key) => driver.get(key), storedKeys, bytes) },
    ]),
};

export const redisConcurrent: TimedGroup = {
  title: 'Redis: 100 concurrent gets (per 100)',
  reference: 'ioredis getBuffer, unix socket',
  contenders: () =>
    overBoth(({ bare, region, driver, bytes }, way) => [
      {
        name: `ioredis getBuffer, ${way}`,
        batch: atOnce((key) => bare.getBuffer(key), storedSlices, bytes),
      },
      { name: `region.get, ${way}`, subject: 'redis', batch: atOnce((key) => region.get(key), slices, LENGTH) },
      { name: `get of the driver, ${way}`, batch: atOnce((key) => driver.get(key), storedSlices, bytes) },
    ]),
};

export const redisMulti: TimedGroup = {
  title: 'Redis: 100 keys at once, hits (per call of 100)',
  reference: 'ioredis mgetBuffer, unix socket',
  async contenders() {
    const askers = await redisAskers();
    const openBento = await bentoRedis();
    const contenders: Contender[] = [];
    for (const way of WAYS) {
      const { where, bare, region, driver, bytes } = askers[way];
      const keyv = keyvOverRedis(where, TTL_MS);
      const bento = openBento(where, TTL_MS);
      for (const [key, value] of texts) {
        await keyv.set(key, value);
        await bento.set({ key, value });
      }
      contenders.push(
        {
          name: `ioredis mgetBuffer, ${way}`,
          batch: awaitedMultiTextReads((some) => bare.mgetBuffer(some as string[]), storedSlices, bytes),
        },
        {
          name: `region.getMulti, ${way}`,
          subject: 'redis',
          batch: awaitedMultiTextReads((some) => region.getMulti(some), slices, LENGTH),
        },
        {
          name: `getMulti of the driver, ${way}`,
          batch: awaitedMultiTextReads((some) => driver.getMulti(some), storedSlices, bytes),
        },
        {
          name: `Keyv getMany (one MGET), ${way}`,
          subject: 'keyv over Redis',
          batch: awaitedMultiTextReads((some) => keyv.getMany<string>(some as string[]), slices, LENGTH),
        },
        {
          name: `100 BentoCache gets at once, ${way}`,
          subject: 'bentocache over Redis',
          batch: atOnce((key) => bento.get<string>({ key }) as Promise<string>, slices, LENGTH),
        },
      );
    }
    return contenders;
  },
};

export const redisSetMulti: TimedGroup = {
  title: 'Redis: 100 texts stored at once, with a ttl (per call of 100)',
  reference: 'ioredis pipeline of SET PX, unix socket',
  contenders: () =>
    overBoth(({ bare, region, driver, stored }, way) => [
      {
        name: `ioredis pipeline of SET PX, ${way}`,
        batch: awaitedMultiWrites((slice) => {
          const pipeline = bare.pipeline();
          for (const [key, bytes] of stored[slice] as ReadonlyMap<string, Buffer>) {
            pipeline.set(key, bytes, 'PX', TTL_MS);
          }
          return pipeline.exec();
        }),
      },
      {
        name: `region.setMulti, ${way}`,
        subject: 'redis',
        batch: awaitedMultiWrites((slice) => region.setMulti(textSlices[slice] as ReadonlyMap<string, string>)),
      },
      {
        name: `setMulti of the driver, ${way}`,
        batch: awaitedMultiWrites((slice) =>
          driver.setMulti(stored[slice] as ReadonlyMap<string, Buffer>, { ttl: TTL_MS }),
        ),
      },
    ]),
};
