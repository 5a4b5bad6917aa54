/** The generations of one server: asked for before what depends on them, found or made where they are not known. */

import type { StockpileError } from '@stockpile/core';
import type { Call } from './call.js';
import type { Connection } from './connection.js';
import { Generation, GenerationCheck, NewGeneration } from './generations.js';
import type { PhysicalNamespace } from './physical-key.js';

/** What the server does for it. */
export interface GenerationHost {
  /** Sends a call that no caller waits for. */
  ask(connection: Connection, call: Call): void;
  /** The word is known: sends what has waited for it. */
  release(connection: Connection, call: Call): void;
  fail(call: Call, error: StockpileError): void;
}

/** Questions for one word, if another process always is faster. */
const MOST_TRIES = 10;

export class ServerGenerations {
  readonly #host: GenerationHost;
  readonly #known = new WeakMap<PhysicalNamespace, Generation>();
  /** Those whose word is being found. */
  readonly #settling = new Set<Generation>();

  constructor(host: GenerationHost) {
    this.#host = host;
  }

  of(namespace: PhysicalNamespace): Generation {
    let generation = this.#known.get(namespace);
    if (generation === undefined) {
      generation = new Generation(namespace);
      this.#known.set(namespace, generation);
    }
    return generation;
  }

  /** Whether the call may be written now; the question for the word then is in front of it. */
  admit(generation: Generation, call: Call, connection: Connection): 'goes' | 'waits' | 'lost' {
    if (generation.word === undefined || generation.outdated) {
      generation.waiting.push(call);
      if (!this.#settling.has(generation)) this.#settle(connection, generation);
      return 'waits';
    }
    if (call.pinned !== undefined && call.pinned !== generation.word) return 'lost';
    if (generation.batch !== connection.batch) {
      generation.batch = connection.batch;
      this.#check(connection, generation, () => {});
    }
    call.written = generation.word;
    return 'goes';
  }

  *waiting(): Generator<Call, void, undefined> {
    for (const { waiting } of this.#settling) yield* waiting;
  }

  /** The connection is lost: what waited is handed back. */
  takeWaiting(): Call[] {
    const waiting = [...this.waiting()];
    for (const generation of this.#settling) generation.waiting = [];
    this.#settling.clear();
    return waiting;
  }

  /** Finds the word, or writes one, and then sends what waits for it. */
  #settle(connection: Connection, generation: Generation): void {
    this.#settling.add(generation);
    let tries = 0;
    const fail = (error: StockpileError): void => this.#fail(generation, error);
    const done = (): void => {
      this.#settling.delete(generation);
      for (const call of generation.waiting.splice(0)) this.#host.release(connection, call);
    };
    const write = (over: 'nothing' | bigint): void => {
      const written = (ours: boolean): void => (ours ? done() : check()); // another process was faster
      this.#host.ask(connection, new NewGeneration(over, generation, written, fail));
    };
    const check = (): void => {
      if (++tries > MOST_TRIES) {
        connection.drop(new Error('there is a generation, and there is none'));
        return;
      }
      this.#check(connection, generation, (foreign) =>
        generation.word === undefined ? write(foreign ?? 'nothing') : done(),
      );
    };
    const renewed = (): void => {
      generation.outdated = false;
      done();
    };
    if (generation.outdated) this.#host.ask(connection, new NewGeneration('anything', generation, renewed, fail));
    else check();
  }

  /** Without an answer nothing holds that was asked behind it. */
  #check(connection: Connection, generation: Generation, done: (foreign: bigint | undefined) => void): void {
    this.#host.ask(connection, new GenerationCheck(generation, done, (error) => connection.drop(error)));
  }

  #fail(generation: Generation, error: StockpileError): void {
    this.#settling.delete(generation);
    for (const call of generation.waiting.splice(0)) this.#host.fail(call, error);
  }
}
