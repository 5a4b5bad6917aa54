/** The way to one server: every call is bounded, and spared where the server is known to be down. */

import {
  BackendTimeoutError,
  BackendUnavailableError,
  CircuitBreaker,
  Deadlines,
  type ServerState,
} from '@stockpile/core';
import type { Redis } from 'ioredis';
import { classify, isReply, reasonOf, replyCode, spoilsConnection } from './classify.js';
import { greet } from './greeting.js';

/** Where a link gets its connection from. */
export interface Endpoint {
  /** `host:port` or the path of a socket. */
  readonly server: string;
  /** The connection, if it takes commands now. */
  readonly live: Redis | undefined;
  /** Until there is one. */
  connect(): Promise<Redis>;
  /** Gives up a connection from which nothing comes, or that leads to the wrong server. */
  drop(): void;
}

/** A connection that is lost earlier tells of a server that takes connections and cannot serve them, ms. */
const YOUNG_MS = 1000;

export class Link {
  readonly #breaker: CircuitBreaker;
  readonly #deadlines = new Deadlines();
  /** Calls without an answer. */
  #pending = 0;
  /** The connection used last, and since when. */
  #redis: Redis | undefined;
  #usedSince = 0;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(
    readonly endpoint: Endpoint,
    /** ms for each call. */
    readonly timeout: number,
    /** Told of each failure to get an answer: the layout of a cluster may have changed. */
    private readonly onFailure: () => void = () => {},
  ) {
    const fail = (error: unknown): never => {
      throw reasonOf(error, endpoint.server);
    };
    const probe = async (): Promise<void> => {
      const redis = endpoint.live ?? (await endpoint.connect().catch(fail));
      this.#use(redis);
      await greet(redis).catch(fail);
    };
    this.#breaker = new CircuitBreaker({ backend: 'redis', server: endpoint.server, timeout, probe });
  }

  get state(): ServerState {
    return this.#breaker.state;
  }

  /** What a call would fail with at once; undefined while the server is up. */
  get refusal(): BackendUnavailableError | undefined {
    const { server, state, error } = this.#breaker.state;
    if (state === 'up') return undefined;
    return new BackendUnavailableError(`${server} is down: ${error?.message}; it is probed every second`, {
      cause: error,
    });
  }

  /**
   * `work` on the connection, which is made if need be; `since`: when the operation began; `isRead`: may be sent again
   * where the connection turns out to be lost.
   * @throws BackendUnavailableError, BackendTimeoutError
   */
  async run<T>(work: (redis: Redis) => Promise<T>, since: number = performance.now(), isRead = false): Promise<T> {
    if (this.#closed) throw closedError();
    const { endpoint } = this;
    let used: Redis | undefined;
    const ask = (redis: Redis): Promise<T> => {
      used = redis;
      this.#use(redis);
      return work(redis);
    };
    this.#pending++;
    try {
      const probed = this.#breaker.admit();
      const { live } = endpoint;
      const isConnected = probed === undefined && live !== undefined;
      const first = isConnected ? ask(live) : this.#connected(probed, ask);
      let value: T;
      try {
        value = await this.#bounded(first, since);
      } catch (error) {
        if (!(isConnected && isRead)) throw error;
        value = await this.#bounded(this.#again(error, ask), since);
      }
      this.#breaker.succeeded();
      return value;
    } catch (error) {
      throw this.#failure(error, since, used);
    } finally {
      if (--this.#pending === 0) this.#onIdle?.();
    }
  }

  /** Refuses new calls, and waits for those that run. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#pending === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }

  #bounded<T>(answer: Promise<T>, since: number): Promise<T> {
    return this.#deadlines.bound(answer, since + this.timeout, this.#late);
  }

  /** An idle connection may have been lost unnoticed. */
  async #again<T>(error: unknown, work: (redis: Redis) => Promise<T>): Promise<T> {
    if (this.#closed || error instanceof BackendTimeoutError || replyCode(error) !== undefined) throw error;
    if (this.endpoint.live !== undefined) throw error;
    if (this.#breaker.state.state !== 'up') throw error;
    return this.#connected(undefined, work);
  }

  async #connected<T>(probed: Promise<void> | undefined, work: (redis: Redis) => Promise<T>): Promise<T> {
    await probed;
    const { endpoint } = this;
    let redis = endpoint.live;
    if (redis === undefined) {
      try {
        redis = await endpoint.connect();
      } catch (error) {
        if (!this.#closed) this.#breaker.failed(reasonOf(error, endpoint.server));
        throw classify(error, endpoint.server); // typed: no answer to what was asked
      }
    }
    return work(redis);
  }

  #use(redis: Redis): void {
    if (redis === this.#redis) return;
    this.#redis = redis;
    this.#usedSince = performance.now();
  }

  #failure(error: unknown, since: number, used: Redis | undefined): Error {
    if (this.#closed && !(error instanceof BackendTimeoutError)) return closedError();
    if (error instanceof BackendTimeoutError) {
      this.#breaker.failed(new BackendTimeoutError(`no answer within ${this.timeout} ms`), since);
      // what comes now from a connection that has been silent would be for calls that nobody waits for
      if (this.#breaker.state.state !== 'up') this.endpoint.drop();
    }
    if (isReply(error, 'NOAUTH')) this.#breaker.failed(reasonOf(error, this.endpoint.server));
    else if (replyCode(error) !== undefined) this.#breaker.succeeded();
    else {
      // taken, and lost soon with calls under way: so would the next be
      const isLost = used !== undefined && used === this.#redis && used !== this.endpoint.live;
      const isYoung = performance.now() - this.#usedSince < YOUNG_MS;
      if (isLost && isYoung) this.#breaker.failed(reasonOf(error, this.endpoint.server));
      this.onFailure();
    }
    if (spoilsConnection(error)) {
      this.endpoint.drop();
      this.onFailure();
    }
    return classify(error, this.endpoint.server);
  }

  readonly #late = (): BackendTimeoutError =>
    new BackendTimeoutError(`backend 'redis', ${this.endpoint.server}: no answer within timeout, ${this.timeout} ms`);
}

export function closedError(): BackendUnavailableError {
  return new BackendUnavailableError("backend 'redis' is closed; configure the region anew");
}
