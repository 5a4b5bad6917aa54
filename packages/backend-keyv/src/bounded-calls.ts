/** Calls of a store that may hang, reject or be gone: each ends in time, with a typed error, and few pile up. */

import {
  BackendTimeoutError,
  BackendUnavailableError,
  CircuitBreaker,
  SerializationError,
  type ServerState,
  StockpileError,
  ValidationError,
  ValueTooLargeError,
  withDeadline,
} from '@stockpile/core';

export interface BoundedCallsOptions {
  /** What to call the store in messages and states. */
  readonly server: string;
  /** ms for each call, a probe before it included. */
  readonly timeout: number;
  /** Most calls that the store has not settled. */
  readonly maxPending: number;
  /** A harmless read: whether it answers at all. */
  readonly probe: () => Promise<unknown>;
}

export class BoundedCalls {
  readonly #breaker: CircuitBreaker;
  /** Not settled by the store; those that our callers no longer wait for too. */
  #pending = 0;
  /** A store that came back may never settle what it had before: that is counted no more. */
  #epoch = 0;
  /** Callers that wait. */
  #waiting = 0;
  #drained: (() => void) | undefined;
  #closed = false;
  #checking = false;

  constructor(private readonly options: BoundedCallsOptions) {
    const { server, timeout } = options;
    this.#breaker = new CircuitBreaker({ backend: 'keyv', server, timeout, probe: () => this.#probe() });
  }

  get state(): ServerState {
    return this.#breaker.state;
  }

  /** `work()`, within the timeout; what it rejects with becomes the cause of a `BackendUnavailableError`. */
  async call<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const { server, timeout, maxPending } = this.options;
    if (this.#closed) throw new BackendUnavailableError(`${operation}: the keyv backend is closed`);
    const probed = this.#breaker.admit();
    if (probed === undefined && this.#pending >= maxPending) {
      throw new BackendUnavailableError(
        `${operation}: ${server} has ${this.#pending} calls to settle, as many as maxPending allows; raise it or ask less at once`,
      );
    }
    let since = performance.now();
    let late: Error | undefined;
    const send = (): Promise<T> => {
      if (late !== undefined) throw late; // its caller has gone while the store was probed
      since = performance.now();
      return this.#track(work);
    };
    this.#waiting++;
    try {
      const answer = probed === undefined ? send() : probed.then(send);
      const result = await withDeadline(answer, timeout, () => {
        late = new BackendTimeoutError(`${operation}: ${server} gave no answer within ${timeout} ms`);
        this.#breaker.failed(late, since);
        return late;
      });
      this.#breaker.succeeded();
      return result;
    } catch (error) {
      throw late ?? this.#failure(error, operation);
    } finally {
      if (--this.#waiting === 0) this.#drained?.();
    }
  }

  /** Refuses what comes, and resolves when the last caller has been answered: that is bounded. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#waiting === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const before = this.#drained;
      this.#drained = () => {
        before?.();
        resolve();
      };
    });
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    const epoch = this.#epoch;
    this.#pending++;
    try {
      return await work();
    } finally {
      if (epoch === this.#epoch) this.#pending--;
    }
  }

  /** One at a time; these are not counted, for the way back must stay open. */
  async #probe(): Promise<void> {
    await this.options.probe();
    this.#epoch++;
    this.#pending = 0;
  }

  #failure(error: unknown, operation: string): StockpileError {
    const refused =
      error instanceof ValidationError || error instanceof SerializationError || error instanceof ValueTooLargeError;
    if (!refused) this.#suspect(error);
    if (error instanceof StockpileError) return error;
    const reason = error instanceof Error ? error.message : String(error);
    return new BackendUnavailableError(`${operation}: ${this.options.server} failed: ${reason}`, { cause: error });
  }

  /** A store that rejects may be gone, or dislike this one value: a read tells, and nobody waits for it. */
  #suspect(cause: unknown): void {
    const { timeout, probe } = this.options;
    if (this.#checking || this.#breaker.state.state !== 'up') return;
    const since = performance.now();
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#checking = true;
    withDeadline(this.#track(probe), timeout, () => error)
      .then(
        () => this.#breaker.succeeded(),
        () => this.#breaker.failed(error, since),
      )
      .finally(() => {
        this.#checking = false;
      });
  }
}
