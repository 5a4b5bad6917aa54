/**
 * The generation of a namespace on one server: a random word that is part of all its keys. `clear` writes a new one, so
 * that the old entries can no longer be found; they leave by LRU. Whoever sends something to the server asks for the
 * generation in the same batch, before it: if it turns out to be another one, what was asked under the old one is asked
 * again.
 *
 * Words are random, not numbers: one that was evicted comes never back, whatever the clocks say.
 */

import { randomBytes } from 'node:crypto';
import type { StockpileError } from '@stockpile/core';
import { Call, expectOpcode, type Limits } from './call.js';
import { NEVER } from './expiry.js';
import { OP, STATUS } from './opcodes.js';
import { generationKey, type PhysicalNamespace } from './physical-key.js';
import { ProtocolError, type Reply } from './reply-reader.js';
import type { RequestWriter } from './request-writer.js';
import { statusError } from './statuses.js';

/** 12 characters. */
const WORD = /^[\w-]{12}$/;
const FLAGS = 0x5350_0003;

export class Generation {
  /** As the server last told; `undefined`: not known, or it has none. */
  word: string | undefined;
  /** Before the names of entries under `word`. */
  prefix = '';
  /** The batch in which it was last asked for. */
  batch = -1;
  /** What is to be sent once the word is known. */
  waiting: Call[] = [];
  /** A new word is to be written before anything else: what the server still has may be outdated. */
  outdated = false;

  constructor(readonly namespace: PhysicalNamespace) {}

  set(word: string | undefined): void {
    if (word === this.word) return;
    this.word = word;
    this.prefix = word === undefined ? '' : this.namespace.prefix + word;
  }

  key(name: string): string {
    return this.prefix + name;
  }
}

export function newWord(): string {
  return randomBytes(9).toString('base64url');
}

/** Asks for the word. */
export class GenerationCheck extends Call {
  #status = 0;
  #word: string | undefined;

  constructor(
    private readonly checked: Generation,
    private readonly done: () => void,
    reject: (error: StockpileError) => void,
  ) {
    super(reject);
  }

  override write(out: RequestWriter): true {
    out.key(OP.get, this.opaque, generationKey(this.checked.namespace));
    return true;
  }

  override take(reply: Reply): true {
    expectOpcode(reply, OP.get);
    this.#status = reply.status;
    if (reply.status === STATUS.ok) {
      const isOurs = reply.flags === FLAGS;
      const word = isOurs ? reply.value.toString('latin1') : undefined;
      // a damaged reply must not be the reason to leave all entries behind
      if (!reply.isEntry || (word !== undefined && !WORD.test(word))) throw new ProtocolError('not the form of a hit');
      this.#word = word; // of another program's item there is none, and it is replaced
    }
    return true;
  }

  override finish({ server }: Limits): void {
    if (this.#status !== STATUS.ok && this.#status !== STATUS.notFound) {
      this.fail(statusError(this.#status, server));
      return;
    }
    this.settled = true;
    this.checked.set(this.#word);
    if (this.#status === STATUS.ok && this.#word === undefined) this.checked.outdated = true;
    this.done();
  }
}

/** Writes a new word: if there is none (`OP.add`), or in any case (`OP.set`). True: it is the one that holds. */
export class NewGeneration extends Call {
  #status = 0;
  readonly #word = newWord();

  constructor(
    private readonly opcode: typeof OP.add | typeof OP.set,
    private readonly renewed: Generation,
    private readonly resolve: (written: boolean) => void,
    reject: (error: StockpileError) => void,
  ) {
    super(reject);
  }

  override write(out: RequestWriter): true {
    const head = { flags: FLAGS, expiry: NEVER, cas: 0n };
    out.store(this.opcode, this.opaque, generationKey(this.renewed.namespace), head, [Buffer.from(this.#word)]);
    return true;
  }

  override take(reply: Reply): true {
    expectOpcode(reply, this.opcode);
    this.#status = reply.status;
    return true;
  }

  override finish({ server }: Limits): void {
    if (this.#status === STATUS.ok) this.renewed.set(this.#word);
    else if (this.#status !== STATUS.exists || this.opcode === OP.set) {
      this.fail(statusError(this.#status, server));
      return;
    }
    this.settled = true;
    this.resolve(this.#status === STATUS.ok);
  }
}
