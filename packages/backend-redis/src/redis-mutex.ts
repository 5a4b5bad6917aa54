/** The mutex of a key: a lock in Redis with a token and a lease, which is renewed while it is held. */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AcquireOptions, type CacheMutex, MAX_TIMER_MS, onAbort } from '@stockpile/core';
import type { Redis } from 'ioredis';
import { type Argument, evaluate } from './evaluate.js';
import { channelOf, namespaceOf } from './key-names.js';
import { perServer } from './per-server.js';
import { readMessage } from './redis-events.js';
import { ACQUIRE, RELEASE, RENEW, type Script } from './scripts.js';
import type { Subscriber } from './subscriber.js';
import type { Topology } from './topology.js';
import { ORIGIN } from './writes.js';

const TOKEN_BYTES = 16;
/** Between two looks at a lock that another holds, ms: in case that the message is lost. */
const FIRST_PAUSE_MS = 30;
const LONGEST_PAUSE_MS = 250;
/** Until a lock is given up whose acquisition was not answered, ms; doubled. */
const FIRST_TRY_MS = 50;

/** What the mutexes of one backend share. */
export interface LockContext {
  readonly topology: Topology;
  readonly subscriber: Subscriber;
  /** ms. */
  readonly lease: number;
  readonly report: (operation: string, error: unknown) => void;
}

export class RedisMutex implements CacheMutex {
  /**
   * Of the last holding: the server's clock in µs when it began, so it grows from holder to holder unless that clock is
   * set back. What is stored is guarded by the token; nothing relies on the order.
   */
  fence: bigint | undefined;
  /** What the lock contains while it is ours; also after it was lost or given back. */
  guard: string | undefined;
  #held = false;
  #renewal: NodeJS.Timeout | undefined;

  constructor(
    private readonly context: LockContext,
    private readonly key: string,
  ) {}

  async acquire({ wait, signal }: AcquireOptions): Promise<boolean> {
    if (signal?.aborted) return false;
    if (await this.#try()) return this.#unlessAborted(signal);
    return wait > 0 && this.#wait(wait, signal);
  }

  async release(): Promise<boolean> {
    if (!this.#held || this.guard === undefined) return false;
    const given = this.#given;
    this.#letGo();
    return given || this.#free(this.guard);
  }

  async locked(): Promise<boolean> {
    const { topology } = this.context;
    return (await this.#ask((redis) => redis.exists(topology.lockKey(this.key)))) === 1;
  }

  /** The lock was given back in the same step in which the value was stored. */
  givenBack(): void {
    this.#given = true;
    clearTimeout(this.#renewal);
  }

  #given = false;

  async #try(): Promise<boolean> {
    const token = randomBytes(TOKEN_BYTES).toString('base64url');
    let fence: unknown;
    try {
      fence = await this.#run(ACQUIRE, [token, this.context.lease]);
    } catch (error) {
      void this.#giveUp(token);
      throw error;
    }
    if (!Buffer.isBuffer(fence)) return false;
    this.fence = BigInt(fence.toString());
    this.guard = `${fence}:${token}`;
    this.#held = true;
    this.#given = false;
    this.#renewLater(performance.now());
    return true;
  }

  /** The answer was lost, the lock perhaps not: it would keep everybody out for as long as the lease. */
  async #giveUp(token: string): Promise<void> {
    for (let pause = FIRST_TRY_MS; pause < this.context.lease; pause *= 2) {
      await sleep(pause, undefined, { ref: false });
      if (await this.#free(token).catch(() => false)) return;
    }
  }

  async #free(holder: string): Promise<boolean> {
    const { topology } = this.context;
    const channel = channelOf('unlock', namespaceOf(this.key), topology.db);
    return (await this.#run(RELEASE, [holder, channel, ORIGIN, this.key])) === 1;
  }

  async #unlessAborted(signal: AbortSignal | undefined): Promise<boolean> {
    if (!signal?.aborted) return true;
    await this.release().catch(() => {}); // its lease ends it
    return false;
  }

  /** Looks again at each message that the lock is free, and in growing pauses. */
  async #wait(wait: number, signal: AbortSignal | undefined): Promise<boolean> {
    const until = performance.now() + wait;
    const { subscriber, topology } = this.context;
    let wake = (): void => {};
    let isFree = false;
    const free = (): void => {
      isFree = true;
      wake();
    };
    const { subscription } = subscriber.add(
      {
        channels: [channelOf('unlock', namespaceOf(this.key), topology.db)],
        onMessage: (message) => {
          if (readMessage(message).keys.includes(this.key)) free();
        },
        onGap: free,
      },
      false,
    );
    const leaving = signal && onAbort(signal, () => wake());
    try {
      for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, LONGEST_PAUSE_MS)) {
        const left = until - performance.now();
        if (left <= 0 || signal?.aborted) return false;
        if (!isFree) {
          await new Promise<void>((resolve) => {
            const ms = Math.min(left, pause * (0.75 + Math.random() / 4), MAX_TIMER_MS);
            const timer = setTimeout(resolve, Math.ceil(ms));
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
        if (signal?.aborted) return false;
        isFree = false;
        if (await this.#try()) return this.#unlessAborted(signal);
      }
    } finally {
      subscription[Symbol.dispose]();
      leaving?.[Symbol.dispose]();
    }
  }

  /** Each third of the lease, until it is given back or found lost. `held`: since when the lease runs. */
  #renewLater(held: number): void {
    const { lease, report } = this.context;
    const renew = async (): Promise<void> => {
      const guard = this.guard as string;
      const began = performance.now();
      try {
        const ours = (await this.#run(RENEW, [guard, lease])) === 1;
        if (this.#held && this.guard === guard && ours && !this.#given) this.#renewLater(began);
      } catch (error) {
        // as long as it may still be ours; the creator goes on in any case, the store will tell
        if (!this.#held || this.guard !== guard) return;
        report('renew', error);
        if (performance.now() - held < lease) this.#renewLater(held);
      }
    };
    this.#renewal = setTimeout(() => void renew(), Math.min(lease / 3, MAX_TIMER_MS)).unref();
  }

  #letGo(): void {
    this.#held = false;
    clearTimeout(this.#renewal);
  }

  #run(script: Script, args: readonly Argument[]): Promise<unknown> {
    const lock = this.context.topology.lockKey(this.key);
    return this.#ask((redis) => evaluate(redis, script, [lock], args));
  }

  async #ask<T>(work: (redis: Redis) => Promise<T>): Promise<T> {
    const { topology } = this.context;
    const [answer] = await perServer(topology, [this.key], async (redis) => [await work(redis)], performance.now());
    if (answer instanceof Error) throw answer;
    return answer as T;
  }
}
