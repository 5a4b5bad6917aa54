/**
 * The connection for messages, shared by all who listen through one backend and opened with the first of them. When it
 * is lost it is made anew, and everybody is told that messages may have been missed.
 */

import { BackendTimeoutError, withDeadline } from '@stockpile/core';
import type { Redis } from 'ioredis';
import { discard } from './connect.js';
import { MessageStream } from './message-stream.js';
import type { Topology } from './topology.js';

export interface MessageListener {
  /** Channels, by name. */
  readonly channels: readonly string[];
  /** Channels, by pattern. */
  readonly patterns?: readonly string[];
  onMessage(message: Buffer): void;
  /** Called when it listens, and waited for by those who wait for that. */
  onListening?(): Promise<void>;
  /** Messages may have been lost. */
  onGap(): void;
}

/** Between attempts to connect, ms. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1000;
/** A connection that is silent may be dead: asked so often for a sign of life, ms. */
const PING_MS = 5000;

/**
 * Subscriptions of this process on their way to a server, by its identity: what is read or written here afterwards waits
 * for them, so that nothing falls between.
 */
const underWay = new Map<string, Set<Promise<unknown>>>();

/** Until all who listen here do so; undefined: they do. */
export function listening(identity: string): Promise<unknown> | undefined {
  const pending = underWay.get(identity);
  return pending === undefined ? undefined : Promise.all(pending);
}

export class Subscriber {
  readonly #listeners = new Set<MessageListener>();
  #redis: Redis | undefined;
  /** On `#redis`, or on that which is being opened. */
  #stream: MessageStream | undefined;
  /** Being made, now or after a pause. */
  #running = false;
  /** Between two attempts: whoever comes is told of the gap when the next one succeeds. */
  #pausing = false;
  #closed = false;
  #onOpen: ((listening: boolean) => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Of `performance.now()`: since when it listens. */
  #openedAt = -Infinity;

  constructor(
    private readonly topology: Topology,
    /** ms that writes wait for a subscription at most. */
    private readonly timeout: number,
    private readonly report: (error: unknown) => void,
  ) {}

  /**
   * `settled`: whether it listens; false at the first failure, then it will be told of the gap. `awaited`: what this
   * process does from now on waits for it.
   */
  add(
    listener: MessageListener,
    awaited: boolean,
  ): { readonly settled: Promise<boolean>; readonly subscription: Disposable } {
    this.#listeners.add(listener);
    const work = this.#begin(listener);
    const settled = awaited ? this.#soon(work) : work;
    const subscription = {
      [Symbol.dispose]: () => {
        if (this.#listeners.delete(listener)) this.#leave(listener);
      },
    };
    return { settled, subscription };
  }

  close(): void {
    this.#closed = true;
    this.#listeners.clear();
    clearInterval(this.#timer);
    const redis = this.#redis;
    this.#redis = undefined;
    if (redis !== undefined) discard(redis);
    this.#tellOpen(false);
  }

  async #begin(listener: MessageListener): Promise<boolean> {
    const redis = this.#redis;
    if (redis !== undefined) {
      try {
        await this.#bounded(this.#subscribe([listener]), this.#latest());
        return true;
      } catch {
        this.#lost(redis);
        return false;
      }
    }
    if (this.#pausing) return false;
    if (this.#running) return new Promise((resolve) => this.#onOpen.push(resolve));
    return this.#open(FIRST_PAUSE_MS, true);
  }

  /** One attempt; after a failure the next one follows by itself. */
  async #open(pause: number, isFirst: boolean): Promise<boolean> {
    this.#running = true;
    this.#pausing = false;
    const until = this.#latest();
    let redis: Redis | undefined;
    const opening = this.topology.openSubscriber();
    try {
      const own = await this.#bounded(opening, until);
      redis = own;
      this.#stream = new MessageStream(own.stream, (name, message) => this.#deliver(name, message));
      own.once('end', () => this.#lost(own));
      const told = new Set<MessageListener>();
      for (let came = [...this.#listeners]; came.length > 0; ) {
        for (const listener of came) told.add(listener);
        await this.#bounded(this.#subscribe(came), until);
        came = [...this.#listeners].filter((listener) => !told.has(listener));
      }
    } catch (error) {
      opening.then(discard, () => {}); // also one that comes too late
      this.#running = false;
      this.#tellOpen(false);
      if (this.#listeners.size === 0) return false;
      if (isFirst) this.report(error);
      this.#openLater(pause);
      return false;
    }
    this.#running = false;
    if (this.#closed) {
      discard(redis);
      return false;
    }
    this.#redis = redis;
    this.#openedAt = performance.now();
    this.#timer = setInterval(() => this.#ping(), PING_MS).unref();
    if (!isFirst) for (const listener of [...this.#listeners]) listener.onGap();
    this.#tellOpen(true);
    return true;
  }

  #openLater(pause: number): void {
    this.#running = true;
    this.#pausing = true;
    this.#timer = setTimeout(() => void this.#open(Math.min(pause * 2, LONGEST_PAUSE_MS), false), pause).unref();
  }

  #tellOpen(listening: boolean): void {
    const waiting = this.#onOpen;
    this.#onOpen = [];
    for (const resolve of waiting) resolve(listening);
  }

  async #subscribe(listeners: readonly MessageListener[]): Promise<void> {
    const channels = listeners.flatMap((listener) => listener.channels);
    const patterns = listeners.flatMap((listener) => listener.patterns ?? []);
    const asked: (Promise<void> | undefined)[] = [];
    if (channels.length > 0) asked.push(this.#stream?.send('subscribe', channels));
    if (patterns.length > 0) asked.push(this.#stream?.send('psubscribe', patterns));
    await Promise.all(asked);
    await Promise.all(listeners.map((listener) => listener.onListening?.()));
  }

  /** When a subscription that begins now is given up, of `performance.now()`. */
  #latest(): number {
    return performance.now() + this.timeout / 2;
  }

  #bounded<T>(work: Promise<T>, until: number): Promise<T> {
    return withDeadline(
      work,
      Math.max(0, until - performance.now()),
      () => new BackendTimeoutError("backend 'redis': no answer to SUBSCRIBE"),
    );
  }

  #leave(listener: MessageListener): void {
    const others = [...this.#listeners];
    const unused = listener.channels.filter((name) => !others.some(({ channels }) => channels.includes(name)));
    const patterns = (listener.patterns ?? []).filter(
      (name) => !others.some((other) => other.patterns?.includes(name)),
    );
    const failed = (): void => {};
    if (unused.length > 0) this.#stream?.send('unsubscribe', unused).catch(failed);
    if (patterns.length > 0) this.#stream?.send('punsubscribe', patterns).catch(failed);
  }

  #deliver(name: string, message: Buffer): void {
    for (const listener of [...this.#listeners]) {
      if (listener.channels.includes(name) || listener.patterns?.includes(name)) listener.onMessage(message);
    }
  }

  #lost(redis: Redis): void {
    if (this.#redis !== redis) return;
    this.#redis = undefined;
    discard(redis);
    clearInterval(this.#timer);
    if (this.#listeners.size === 0) return;
    // a server that ends each one soon is not to be stormed
    if (performance.now() - this.#openedAt < LONGEST_PAUSE_MS) this.#openLater(FIRST_PAUSE_MS);
    else void this.#open(FIRST_PAUSE_MS, false);
  }

  #ping(): void {
    const redis = this.#redis;
    if (redis === undefined) return;
    const late = setTimeout(() => this.#lost(redis), this.timeout).unref();
    this.#stream?.send('ping', []).then(
      () => clearTimeout(late),
      () => {
        clearTimeout(late);
        this.#lost(redis);
      },
    );
  }

  /** Makes others of this process wait for `work`, for as long as a call may take. */
  #soon(work: Promise<boolean>): Promise<boolean> {
    const { identity } = this.topology;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, this.timeout / 2, false);
    });
    const pending = underWay.get(identity) ?? new Set();
    underWay.set(identity, pending);
    const bounded = Promise.race([work, late]).finally(() => {
      clearTimeout(timer);
      pending.delete(bounded);
      if (pending.size === 0) underWay.delete(identity);
    });
    pending.add(bounded);
    return bounded;
  }
}
