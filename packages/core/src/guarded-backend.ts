/** A backend as a region calls it: every call is bounded, and fails with a typed error that is counted. */

import { type Awaitable, attempt, isPromise } from './awaitable.js';
import type { CacheBackend } from './backend.js';
import { withDeadline } from './deadline.js';
import { Deadlines } from './deadlines.js';
import {
  BackendTimeoutError,
  CapabilityError,
  SerializationError,
  StockpileError,
  ValidationError,
  ValueTooLargeError,
} from './errors.js';
import type { CacheMutex } from './mutex.js';
import type { Stats } from './stats.js';
import { typedFailure } from './typed-failure.js';

export interface GuardOptions {
  /** The region's name. */
  readonly name: string;
  readonly stats: Stats;
  /** While the backend is down, creators serve. */
  readonly failOpen: boolean;
  /** ms for every call of the backend. */
  readonly timeout: number;
}

const CLOSING_MS = 100;

export class GuardedBackend {
  readonly name: string;
  readonly stats: Stats;
  readonly failOpen: boolean;
  readonly #timeout: number;
  readonly #deadlines = new Deadlines();
  #warned = false;

  constructor(
    /** The outermost layer; `wrap` puts another around it. */
    public backend: CacheBackend,
    { name, stats, failOpen, timeout }: GuardOptions,
  ) {
    this.name = name;
    this.stats = stats;
    this.failOpen = failOpen;
    this.#timeout = timeout;
  }

  /** Any call of the backend: bounded by the timeout (and `more` ms), failing with a typed error that is counted. */
  call<T>(operation: string, key: string | undefined, work: () => Awaitable<T>, more = 0): Awaitable<T> {
    let answer: Awaitable<T>;
    try {
      answer = work();
    } catch (error) {
      throw this.failure(error, operation, key);
    }
    return isPromise(answer) ? this.#bounded(answer, operation, key, more) : answer;
  }

  /** Ends the backend: what runs there has its whole timeout, and then it needs a moment more. */
  closeBackend(): Awaitable<void> {
    return this.call('close', undefined, () => this.backend.close(), CLOSING_MS);
  }

  /** The same for many keys: an error names those of `keys` that it concerns. */
  callMulti<T>(
    operation: string,
    keys: readonly string[],
    stored: readonly string[],
    work: () => Awaitable<T>,
  ): Awaitable<T> {
    return attempt(
      () => this.call(operation, undefined, work),
      (error) => {
        if (error instanceof StockpileError) {
          const own = (key: string): string => keys[stored.indexOf(key)] ?? key;
          error.keys = error.keys?.map(own);
          if (error.key !== undefined) error.key = own(error.key);
        }
        throw error;
      },
    );
  }

  #bounded<T>(answer: PromiseLike<T>, operation: string, key: string | undefined, more: number): Promise<T> {
    return this.#deadlines.bound(
      answer,
      performance.now() + this.#timeout + more,
      () => this.#late(operation),
      (error) => this.failure(error, operation, key),
    );
  }

  #late(operation: string): BackendTimeoutError {
    return new BackendTimeoutError(
      `${operation}: backend '${this.backend.name}' gave no answer within timeout, ${this.#timeout} ms`,
    );
  }

  /** The typed form of what a backend threw, counted and published. */
  failure(error: unknown, operation: string, key: string | undefined): StockpileError {
    const typed = typedFailure(error, `${operation}: backend '${this.backend.name}'`);
    typed.region ??= this.name;
    typed.key = key ?? typed.key; // a driver knows only what is stored
    if (!(typed instanceof ValidationError || typed instanceof CapabilityError))
      this.stats.error(operation, key, typed);
    return typed;
  }

  /** Waits at most `wait` ms for the holder, and as long for the backend as any call. */
  async acquire(mutex: CacheMutex, key: string, wait: number, signal?: AbortSignal): Promise<boolean> {
    // first without waiting: a backend that does not answer is not taken for a holder that is slow
    if (await this.#tryAcquire(mutex, key, 0, signal)) return true;
    return wait > 0 && !signal?.aborted && this.#tryAcquire(mutex, key, wait, signal);
  }

  async #tryAcquire(mutex: CacheMutex, key: string, wait: number, signal: AbortSignal | undefined): Promise<boolean> {
    let late = false;
    try {
      const answer = mutex.acquire({ wait, signal });
      if (!isPromise(answer)) return answer;
      answer.then(
        (ours) => ours && late && this.release(mutex, key),
        () => {},
      );
      return await withDeadline(answer, wait + this.#timeout, () => this.#late('lock'));
    } catch (error) {
      late = true;
      throw this.failure(error, 'lock', key);
    }
  }

  /** Gives a lock back; that it was lost, or that the backend is down, harms nobody here. */
  release(mutex: CacheMutex, key: string): Awaitable<unknown> {
    return attempt(
      () => this.call('unlock', key, () => mutex.release()),
      () => false,
    );
  }

  /** Lets a creator serve though the backend failed with `error`, which is counted already; else throws it. */
  serveAnyway(error: unknown): void {
    const ours = error instanceof ValidationError || error instanceof CapabilityError;
    if (!this.failOpen || ours || !(error instanceof StockpileError)) throw error;
  }

  /** The same for a created value that could not be stored: what cannot be stored at all is no reason to withhold it. */
  returnUnstored(error: unknown): void {
    if (error instanceof SerializationError || error instanceof ValueTooLargeError) this.#warnOnce(error);
    else if (error instanceof ValidationError)
      this.stats.error('store', error.key, error); // the driver refuses the key
    else this.serveAnyway(error);
  }

  /** Creators that run each time since nothing of theirs is stored would else be seen in the statistics only. */
  #warnOnce(error: Error): void {
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(`region '${this.name}': a created value is not cached: ${error.message}`, 'StockpileWarning');
  }
}

/** The answer of a synchronous backend. One that answers with a promise all the same breaks its contract. */
export function settled<T>(answer: Awaitable<T>): T {
  if (!isPromise(answer)) return answer;
  answer.then(undefined, () => {});
  throw new CapabilityError("the backend declares 'sync' and answered with a promise");
}
