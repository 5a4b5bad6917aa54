/**
 * Region-wide invalidation that all processes see: the times are kept in Redis and told to all who listen.
 *
 * Who is told is at once up to date. Before the first use, after each interruption, before a created value is stored
 * and every 10 s in any case the times are read. Without messages (no right to subscribe) they are read every second.
 */

import {
  type Awaitable,
  addInvalidation,
  type InvalidationSubject,
  type InvalidationTimes,
  latestOf,
  noInvalidations,
  type RegionInvalidator,
  type Verdict,
  verdictOf,
} from '@stockpile/core';
import type { Redis } from 'ioredis';
import { channelOf, namespaceOf, timesKey } from './key-names.js';
import { perServer } from './per-server.js';
import { evaluate, INVALIDATE, RESTORE } from './scripts.js';
import type { Subscriber } from './subscriber.js';
import type { Topology } from './topology.js';

/** ms between reads, while messages come and while they do not. */
const SAFETY_MS = 10_000;
const POLL_MS = 1000;

export class RedisInvalidator implements RegionInvalidator {
  latest: number = -Infinity;
  readonly #times: InvalidationTimes = noInvalidations();
  readonly #key: string;
  readonly #channel: string;
  #attached = false;
  #subscription: Disposable | undefined;
  #listens = false;
  #readAt = -Infinity;
  /** Whoever comes meanwhile waits for it. */
  #reading: Promise<void> | undefined;

  constructor(
    private readonly topology: Topology,
    private readonly subscriber: Subscriber,
    prefix: string,
  ) {
    this.#key = timesKey(prefix);
    this.#channel = channelOf('times', namespaceOf(prefix), topology.db);
  }

  attach(): void {
    this.#attached = true;
    this.#readAt = -Infinity;
  }

  detach(): void {
    this.#attached = false;
    this.#listens = false;
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = undefined;
  }

  async invalidate({ hard, tags, at }: Parameters<RegionInvalidator['invalidate']>[0]): Promise<void> {
    const kind = hard ? 'h' : 's';
    const fields = tags === undefined ? [kind] : tags.map((tag) => `${kind}:${tag}`);
    const least = Math.max(at, this.latest + 1);
    const text = await this.#run((redis) =>
      evaluate(redis, INVALIDATE, [this.#key], [this.#channel, String(least), ...fields]),
    );
    this.#adopt(fields, Number(String(text)));
  }

  check(entry: InvalidationSubject): Verdict {
    return this.latest === -Infinity ? 'valid' : verdictOf(this.#times, entry);
  }

  refresh(force: boolean): Awaitable<void> {
    if (!this.#attached) return;
    if (force) return this.#read();
    if (this.#reading !== undefined) return this.#reading;
    const due = this.#listens ? SAFETY_MS : POLL_MS;
    if (performance.now() - this.#readAt < due) return;
    const reading = this.#readSubscribed().finally(() => {
      if (this.#reading === reading) this.#reading = undefined;
    });
    this.#reading = reading;
    return reading;
  }

  /** First it listens, then it reads: nothing falls between. */
  async #readSubscribed(): Promise<void> {
    if (this.#subscription === undefined) {
      const { settled, subscription } = this.subscriber.add(
        {
          channels: [this.#channel],
          onMessage: (message) => this.#hear(message),
          onGap: () => {
            this.#listens = true;
            this.#readAt = -Infinity;
          },
        },
        false,
      );
      this.#subscription = subscription;
      this.#listens = await settled;
    }
    await this.#read();
  }

  async #read(): Promise<void> {
    const began = performance.now();
    const fields = (await this.#run((redis) => redis.hgetall(this.#key))) as Record<string, string>;
    this.#readAt = began;
    const missing: string[] = [];
    for (const [field, time] of this.#fields()) {
      if (!(Number(fields[field]) >= time)) missing.push(field, String(time));
    }
    for (const [field, time] of Object.entries(fields)) this.#adopt([field], Number(time));
    // evicted, or lost in a failover: who knows more says so
    const lost = missing.length > 0 && !(Number(fields.h) >= this.latest);
    if (lost) await this.#run((redis) => evaluate(redis, RESTORE, [this.#key], missing));
  }

  *#fields(): Generator<[field: string, time: number]> {
    const { hard, soft, hardTags, softTags } = this.#times;
    if (hard !== -Infinity) yield ['h', hard];
    if (soft !== -Infinity && soft > hard) yield ['s', soft];
    for (const [tag, at] of hardTags) yield [`h:${tag}`, at];
    for (const [tag, at] of softTags) yield [`s:${tag}`, at];
  }

  #hear(message: Buffer): void {
    let told: unknown;
    try {
      told = JSON.parse(message.toString());
    } catch {
      return; // not one of ours
    }
    if (!Array.isArray(told) || !told.every((part): part is string => typeof part === 'string')) return;
    const [at, ...fields] = told;
    this.#adopt(fields, Number(at));
  }

  /** Times only grow. */
  #adopt(fields: readonly string[], at: number): void {
    if (!Number.isFinite(at)) return;
    for (const field of fields) {
      const kind = field[0];
      if (kind !== 'h' && kind !== 's') continue;
      const tags = field.length === 1 ? undefined : [field.slice(2)];
      addInvalidation(this.#times, { hard: kind === 'h', tags, at });
    }
    this.latest = Math.max(this.latest, latestOf(this.#times));
  }

  async #run(work: (redis: Redis) => Promise<unknown>): Promise<unknown> {
    const { topology } = this;
    const [answer] = await perServer(topology, [this.#key], async (redis) => [await work(redis)], performance.now());
    if (answer instanceof Error) throw answer;
    return answer;
  }
}
