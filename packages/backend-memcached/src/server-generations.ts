/** The generations of one server: asked for before what depends on them, found or made where they are not known. */

import type { Call } from './call.js';
import type { Connection } from './connection.js';
import { Generation, GenerationCheck, NewGeneration } from './generations.js';
import { OP } from './opcodes.js';
import type { PhysicalNamespace } from './physical-key.js';

/** What the server does for it. */
export interface GenerationHost {
  /** Sends a call that no caller waits for. */
  ask(connection: Connection, call: Call): void;
  /** The word is known: sends what has waited for it. */
  release(connection: Connection, call: Call): void;
  fail(call: Call, error: Error): void;
  isCurrent(connection: Connection): boolean;
}

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
    const fail = (): void => this.#fail(generation);
    const done = (): void => {
      this.#settling.delete(generation);
      for (const call of generation.waiting.splice(0)) this.#host.release(connection, call);
    };
    const renew = (): void => {
      const renewed = (): void => {
        generation.outdated = false;
        done();
      };
      this.#host.ask(connection, new NewGeneration(OP.set, generation, renewed, fail));
    };
    const add = (): void => {
      const added = (ours: boolean): void => (ours ? done() : check());
      this.#host.ask(connection, new NewGeneration(OP.add, generation, added, fail));
    };
    const check = (): void => {
      const checked = (): void => (generation.outdated ? renew() : generation.word === undefined ? add() : done());
      this.#check(connection, generation, checked);
    };
    if (generation.outdated) renew();
    else check();
  }

  #check(connection: Connection, generation: Generation, done: () => void): void {
    const call = new GenerationCheck(generation, done, () => {
      // unless the connection is lost: what was asked under a word that nobody has confirmed is asked again
      if (this.#host.isCurrent(connection)) generation.set(undefined);
      this.#fail(generation);
    });
    this.#host.ask(connection, call);
  }

  #fail(generation: Generation): void {
    this.#settling.delete(generation);
    const error = new Error('the generation of the namespace cannot be read');
    for (const call of generation.waiting.splice(0)) this.#host.fail(call, error);
  }
}
