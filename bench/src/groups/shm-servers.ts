/** A text of 100 characters, asked for one after another: shared memory, and the cache servers of this machine. */

import type { Region } from '@stockpile/core';
import { Redis } from 'ioredis';
import type { Contender } from '../harness.js';
import { awaitedTextReads } from '../loops.js';
import memjs from '../servers/memjs.js';
import { startMemcached, startRedis } from '../servers/start.js';
import { LENGTH, textOf } from '../shm/entries.js';
import { shmRegion } from '../shm/regions.js';
import { temporarySegment } from '../shm/segments.js';
import { keys } from '../workload.js';
import type { TimedGroup } from './index.js';

/** Store against store: the peers are asked by their bare clients too. What a region adds is in its own rows. */
const REFERENCE = 'Segment.get (shm)';

export const shmMemcached: TimedGroup = {
  title: 'Shared memory and memcached: awaited get of a text, hit',
  reference: REFERENCE,
  async contenders() {
    const { port, path } = await startMemcached();
    const overTcp = new memjs.Client([new memjs.Server('127.0.0.1', port)]);
    const overSocket = new memjs.Client([new memjs.Server(undefined, path)]);
    for (const client of [overTcp, overSocket]) {
      for (const [i, key] of keys.entries()) await client.set(key, textOf(i), {});
    }
    return [
      ...ours(),
      {
        name: 'memcached over TCP (memjs)',
        batch: awaitedTextReads(async (key) => (await overTcp.get(key)).value?.toString(), keys, LENGTH),
      },
      {
        name: 'memcached over a unix socket (memjs)',
        batch: awaitedTextReads(async (key) => (await overSocket.get(key)).value?.toString(), keys, LENGTH),
      },
    ];
  },
};

export const shmRedis: TimedGroup = {
  title: 'Shared memory and Redis: awaited get of a text, hit',
  reference: REFERENCE,
  async contenders() {
    const { port, path } = await startRedis();
    const overTcp = new Redis({ host: '127.0.0.1', port });
    const overSocket = new Redis({ path });
    for (const [i, key] of keys.entries()) await overTcp.set(key, textOf(i));
    const get = (client: Redis) => (key: string) => client.get(key) as Promise<string>;
    return [
      ...ours(),
      { name: 'Redis over TCP (ioredis)', batch: awaitedTextReads(get(overTcp), keys, LENGTH) },
      { name: 'Redis over a unix socket (ioredis)', batch: awaitedTextReads(get(overSocket), keys, LENGTH) },
    ];
  },
};

function ours(): Contender[] {
  const segment = temporarySegment();
  for (const [i, key] of keys.entries()) segment.set(key, textOf(i));
  const far = filled(shmRegion<string>());
  const near = filled(shmRegion<string>({ near: true }));
  return [
    { name: REFERENCE, batch: awaitedTextReads(async (key) => segment.get(key) as string, keys, LENGTH) },
    { name: 'region.get (shm)', subject: 'shm', batch: awaitedTextReads((key) => far.get(key), keys, LENGTH) },
    {
      name: 'region.get (shm, near cache)',
      subject: 'shm, near cache',
      batch: awaitedTextReads((key) => near.get(key), keys, LENGTH),
    },
  ];
}

function filled(region: Region<string>): Region<string> {
  for (const [i, key] of keys.entries()) region.sync.set(key, textOf(i));
  return region;
}
