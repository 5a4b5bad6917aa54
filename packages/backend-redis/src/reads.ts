/** Reading entries: those asked for in one turn of the event loop go to a server together. */

import { NO_VALUE, type NoValue } from '@stockpile/core';
import type { Redis } from 'ioredis';
import { another, isReply } from './classify.js';
import { type Answers, groupBy, perServer } from './per-server.js';
import type { Topology } from './topology.js';

type Found = Uint8Array | NoValue;

interface Reader {
  readonly key: string;
  readonly resolve: (found: Found) => void;
  readonly reject: (error: unknown) => void;
}

/** More go in a command of their own: a server does nothing else while it answers one. */
const MOST_KEYS = 500;

export class Reads {
  #waiting: Reader[] = [];

  constructor(
    private readonly topology: Topology,
    /** What reads must not overtake. */
    private readonly gate: () => Promise<unknown> | undefined,
  ) {}

  get(key: string): Promise<Found> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ key, resolve, reject }) === 1) process.nextTick(() => this.#flush());
    });
  }

  /** Aligned with `keys`; an error for those that could not be asked. */
  async getMulti(keys: readonly string[]): Promise<Answers<Found>> {
    const since = performance.now();
    await this.gate();
    return perServer(this.topology, keys, (redis, own) => this.#read(redis, own), since, true);
  }

  /** By server: a slow one does not hold up what others answer. */
  #flush(): void {
    const readers = this.#waiting;
    this.#waiting = [];
    const [only] = readers;
    if (readers.length === 1 && only !== undefined && !this.topology.isCluster && this.gate() === undefined) {
      // the shortest way, for one after the other
      const { key, resolve, reject } = only;
      const link = this.topology.linkOf(key);
      link.run((redis) => readOne(redis, key), performance.now(), true).then(resolve, reject);
    } else if (!this.topology.isCluster) void this.#answer(readers);
    else for (const own of groupBy(readers, ({ key }) => this.topology.linkOf(key)).values()) void this.#answer(own);
  }

  async #answer(readers: readonly Reader[]): Promise<void> {
    try {
      const found = await this.getMulti(readers.map(({ key }) => key));
      for (const [i, { resolve, reject }] of readers.entries()) {
        const answer = found[i] as Found | Error;
        if (answer instanceof Error) reject(another(answer));
        else resolve(answer);
      }
    } catch (error) {
      for (const { reject } of readers) reject(another(error));
    }
  }

  async #read(redis: Redis, keys: readonly string[]): Promise<Answers<Found>> {
    const [only] = keys;
    if (keys.length === 1 && only !== undefined) return [await readOne(redis, only)];
    if (this.topology.isCluster) return readEach(redis, keys);
    if (keys.length <= MOST_KEYS) return readAll(redis, keys as string[]);
    const pages = Array.from({ length: Math.ceil(keys.length / MOST_KEYS) }, (_, n) =>
      readAll(redis, keys.slice(n * MOST_KEYS, (n + 1) * MOST_KEYS)),
    );
    return (await Promise.all(pages)).flat();
  }
}

/** What is there but is no string is none of ours: a miss. */
function readOne(redis: Redis, key: string): Promise<Found> {
  return redis.getBuffer(key).then(
    (found) => found ?? NO_VALUE,
    (error: unknown) => {
      if (isReply(error, 'WRONGTYPE')) return NO_VALUE;
      throw error;
    },
  );
}

/** Of one node of a cluster, where few keys share a slot. */
async function readEach(redis: Redis, keys: readonly string[]): Promise<Answers<Found>> {
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.getBuffer(key);
  const results = (await pipeline.exec()) ?? [];
  return results.map(([error, value]) => {
    if (error !== null) return isReply(error, 'WRONGTYPE') ? NO_VALUE : error;
    return (value as Buffer | null) ?? NO_VALUE;
  });
}

async function readAll(redis: Redis, keys: string[]): Promise<Found[]> {
  const values = await redis.mgetBuffer(keys);
  // on connections of our own this has been seen before; the application's client looks at nothing
  if (values?.length !== keys.length) throw new Error('a reply that is no answer to mget');
  return values.map((value) => value ?? NO_VALUE);
}
