/**
 * Spares a dead server the calls, and callers the wait for it (the circuit breaker of M. Nygard, "Release It!").
 *
 *   up       every call goes through
 *   down     calls fail at once; after a pause, 100 ms at first and doubled up to 0.8 s, the next caller probes
 *   probing  that caller waits for a sign of life, at most 1 s; the others fail at once
 *
 * So a server that is back is used again within 2 s, and without callers there are neither probes nor timers.
 */

import { channel } from 'node:diagnostics_channel';
import { attempt } from './awaitable.js';
import { withDeadline } from './deadline.js';
import { BackendTimeoutError, BackendUnavailableError } from './errors.js';

/** What is known of one server. */
export interface ServerState {
  /** `host:port`, or the path of a socket. */
  readonly server: string;
  readonly state: 'up' | 'probing' | 'down';
  /** Epoch ms: since when it is up, or is not. */
  readonly since: number;
  /** Why it is not up. */
  readonly error?: Error;
}

/** On the channel `stockpile:server`, when a server goes down and when it is back. */
export interface ServerMessage extends ServerState {
  /** The name of the backend. */
  readonly backend: string;
}

export interface CircuitBreakerOptions {
  /** The backend's name. */
  readonly backend: string;
  /** As in `ServerState`; no passwords. */
  readonly server: string;
  /** ms that a call may take, and a probe too if that is less than 1 s. */
  readonly timeout: number;
  /** Connects if need be and asks for a sign of life. Never called twice at once. */
  readonly probe: () => Promise<unknown>;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 800;
const LONGEST_PROBE_MS = 1000;

const changes = channel('stockpile:server');

/**
 * The circuit breaker of one server, for drivers.
 * @example
 * const probed = breaker.admit(); // throws while the server is down
 * if (probed) await probed;
 * const since = performance.now();
 * try {
 *   const answer = await ask();
 *   breaker.succeeded();
 *   return answer;
 * } catch (error) {
 *   if (gotNoAnswer(error)) breaker.failed(error, since);
 *   throw error;
 * }
 */
export class CircuitBreaker {
  #state: ServerState;
  /** Of `performance.now()`, as are the other instants here. */
  #answeredAt = -Infinity;
  #probeAt = 0;
  #pauseMs = FIRST_PAUSE_MS;

  constructor(private readonly options: CircuitBreakerOptions) {
    this.#state = { server: options.server, state: 'up', since: Date.now() };
  }

  get state(): ServerState {
    return this.#state;
  }

  /**
   * Asked before each call. `undefined`: go on. A promise: this caller probes, and goes on when it resolves.
   * @throws BackendUnavailableError (the promise too) while the server is down.
   */
  admit(): Promise<void> | undefined {
    if (this.#state.state === 'up') return undefined;
    if (this.#state.state === 'probing' || performance.now() < this.#probeAt) throw this.#unavailable();
    return this.#probe();
  }

  /** The server has answered, whatever it said. */
  succeeded(): void {
    this.#answeredAt = performance.now();
    if (this.#state.state !== 'up') this.#up();
  }

  /** No connection was to be had; or, with `since`, a call that began then got no answer, and no other has since. */
  failed(error: Error, since?: number): void {
    if (this.#state.state !== 'up' || (since !== undefined && this.#answeredAt > since)) return;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#down(error);
    this.#publish();
  }

  async #probe(): Promise<void> {
    const { timeout, probe } = this.options;
    const bound = Math.min(timeout, LONGEST_PROBE_MS);
    const late = (): Error => new BackendTimeoutError(`no sign of life within ${bound} ms`);
    this.#state = { ...this.#state, state: 'probing' };
    try {
      await withDeadline(Promise.resolve(attempt(probe, (error) => Promise.reject(error))), bound, late);
      this.succeeded();
    } catch (error) {
      if (this.#state.state === 'up') return; // an answer to something else came meanwhile
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
      this.#down(error as Error);
      throw this.#unavailable();
    }
  }

  #up(): void {
    this.#state = { server: this.#state.server, state: 'up', since: Date.now() };
    this.#publish();
  }

  #down(error: Error): void {
    const { server, state, since } = this.#state;
    this.#state = { server, state: 'down', since: state === 'up' ? Date.now() : since, error };
    // a fleet must not come back in step
    this.#probeAt = performance.now() + this.#pauseMs * (0.75 + Math.random() / 4);
  }

  #unavailable(): BackendUnavailableError {
    const { server, error } = this.#state;
    return new BackendUnavailableError(`${server} is down: ${error?.message}; it is probed every second`, {
      cause: error,
    });
  }

  #publish(): void {
    if (changes.hasSubscribers) {
      changes.publish({ backend: this.options.backend, ...this.#state } satisfies ServerMessage);
    }
  }
}
