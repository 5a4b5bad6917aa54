/** The suite of all backends on `redis`, on whatever set-up. */

import { describe, test } from '@jest/globals';
import { type RedisArguments, RedisBackend } from '@stockpile/backend-redis';
import { describeBackend } from '@stockpile/testkit';
import { Redis } from 'ioredis';

const MAX_VALUE_BYTES = 1_200_000;
const ENVELOPE_BYTES = 64;

export interface Place {
  readonly args: RedisArguments;
  /** Those that hold entries: emptied before each test. */
  readonly nodes: readonly { readonly port: number }[];
}

export function describeRedis(name: string, place: () => Place, skip: Readonly<Record<string, string>> = {}): void {
  const open = (timeout: number): RedisBackend =>
    new RedisBackend({ maxValueBytes: MAX_VALUE_BYTES + ENVELOPE_BYTES, ...place().args, timeout });
  describeBackend({
    name,
    runner: { describe, test },
    create: async ({ timeout }) => {
      await Promise.all(place().nodes.map(({ port }) => flush(port)));
      return open(timeout);
    },
    connect: ({ timeout }) => open(timeout),
    stores: 'bytes',
    capabilities: ['ttl', 'locks', 'counters', 'compareAndSet', 'enumerate', 'clear', 'events'],
    clock: 'system',
    fenced: true,
    maxValueBytes: MAX_VALUE_BYTES,
    skip,
  });
}

export async function flush(port: number): Promise<void> {
  const redis = new Redis(port);
  await redis.flushall();
  redis.disconnect();
}
