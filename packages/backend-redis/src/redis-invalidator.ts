/**
 * Region-wide invalidation that all processes see: the times are kept in Redis and told to all who listen.
 *
 * Who is told is at once up to date. Before the first use, after each interruption, before a created value is stored
 * and every 10 s in any case the times are read. Without messages (no right to subscribe) they are read every second.
 *
 * In a cluster the times are on one node. While that is dead nobody can invalidate, and what is known goes on to be used,
 * so that the keys of the other nodes do: for as long as messages come without interruption, else for a minute.
 */

import {
  type Awaitable,
  addInvalidation,
  BackendTimeoutError,
  type InvalidationSubject,
  type InvalidationTimes,
  latestOf,
  noInvalidations,
  type RegionInvalidator,
  type Verdict,
  verdictOf,
} from '@stockpile/core';
import type { Redis } from 'ioredis';
import { another } from './classify.js';
import { evaluate } from './evaluate.js';
import { channelOf, namespaceOf, timesKey } from './key-names.js';
import type { Link } from './link.js';
import { perServer } from './per-server.js';
import { INVALIDATE, RESTORE, TIMES } from './scripts.js';
import type { Subscriber } from './subscriber.js';
import type { Topology } from './topology.js';

/** ms between reads, while messages come and while they do not. */
const SAFETY_MS = 10_000;
const POLL_MS = 1000;
/** ms for which times that were complete are used though they cannot be read, and messages may have been lost. */
const TRUST_MS = 60_000;

export class RedisInvalidator implements RegionInvalidator {
  latest: number = -Infinity;
  readonly #times: InvalidationTimes = noInvalidations();
  readonly #key: string;
  readonly #channel: string;
  #attached = false;
  #subscription: Disposable | undefined;
  #listens = false;
  #readAt = -Infinity;
  /** Until then what is known may be used though it cannot be read. */
  #trustedUntil = -Infinity;
  /** It could not be read the last time, and what is known is used. */
  #isStale = false;
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
    this.#trustedUntil = -Infinity;
    this.#isStale = false;
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
    const since = performance.now();
    if (force) return this.#read(since).catch((error: unknown) => this.#makeDo(error));
    const isFirst = this.#reading === undefined;
    if (this.#reading === undefined) {
      const due = this.#listens && !this.#isStale ? SAFETY_MS : POLL_MS;
      if (since - this.#readAt < due) return;
      const reading = this.#readSubscribed(since)
        .catch((error: unknown) => this.#makeDo(error))
        .finally(() => {
          this.#reading = undefined;
        });
      this.#reading = reading;
    }
    if (this.#isStale) {
      this.#reading.catch(() => {}); // nobody waits for a node that is dead; whoever comes next hears of it
      return;
    }
    if (isFirst) return this.#reading;
    const { refusal } = this.#link;
    if (refusal !== undefined) return this.#makeDo(refusal); // one caller probes, the others do not wait for it
    return this.#reading.catch((error: unknown) => {
      // whoever joined late has not waited for as long as a timeout says
      throw (error instanceof BackendTimeoutError ? this.#link.refusal : undefined) ?? another(error);
    });
  }

  get #link(): Link {
    return this.topology.linkOf(this.#key);
  }

  /** The times could not be read. */
  async #makeDo(error: unknown): Promise<void> {
    this.#isStale = performance.now() < this.#trustedUntil;
    if (!this.#isStale) throw error;
    this.#readAt = performance.now();
  }

  /** First it listens, then it reads: nothing falls between. `since`: when both began. */
  async #readSubscribed(since: number): Promise<void> {
    if (this.#subscription === undefined) {
      const { settled, subscription } = this.subscriber.add(
        {
          channels: [this.#channel],
          onMessage: (message) => this.#hear(message),
          onGap: () => {
            this.#listens = true;
            this.#readAt = -Infinity;
            this.#isStale = false;
            this.#trustedUntil = Math.min(this.#trustedUntil, performance.now() + TRUST_MS);
          },
        },
        false,
      );
      this.#subscription = subscription;
      this.#listens = await settled;
    }
    await this.#read(since);
  }

  async #read(since: number): Promise<void> {
    const began = performance.now();
    const fields = fieldsIn(await this.#run((redis) => evaluate(redis, TIMES, [this.#key], []), since));
    this.#readAt = began;
    this.#isStale = false;
    this.#trustedUntil = this.#listens ? Infinity : began + TRUST_MS;
    const missing: string[] = [];
    for (const [field, time] of this.#fields()) {
      if (!(Number(fields[field]) >= time)) missing.push(field, String(time));
    }
    for (const [field, time] of Object.entries(fields)) this.#adopt([field], Number(time));
    // evicted, or lost in a failover: who knows more says so
    const lost = missing.length > 0 && !(Number(fields.h) >= this.latest);
    if (lost) await this.#run((redis) => evaluate(redis, RESTORE, [this.#key], missing), since);
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

  async #run(work: (redis: Redis) => Promise<unknown>, since: number = performance.now()): Promise<unknown> {
    const { topology } = this;
    const [answer] = await perServer(topology, [this.#key], async (redis) => [await work(redis)], since);
    if (answer instanceof Error) throw answer;
    return answer;
  }
}

/** From `[field, time, …]`; an empty one is `{}` in Lua's JSON. */
function fieldsIn(json: unknown): Record<string, string> {
  const told: unknown = JSON.parse(String(json));
  const fields: Record<string, string> = Object.create(null);
  if (Array.isArray(told)) for (let i = 0; i + 1 < told.length; i += 2) fields[String(told[i])] = String(told[i + 1]);
  return fields;
}
