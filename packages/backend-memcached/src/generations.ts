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
import { Call, expectReply, type Limits } from './call.js';
import { NEVER } from './expiry.js';
import { hashOf } from './hash.js';
import { OP, STATUS } from './opcodes.js';
import { generationKey, type PhysicalNamespace } from './physical-key.js';
import { ProtocolError, type Reply } from './reply-reader.js';
import type { RequestWriter } from './request-writer.js';
import { statusError } from './statuses.js';

/** 12 characters. Its flags are its hash: a word in which a letter is damaged would else leave all entries behind. */
const WORD = /^[\w-]{12}$/;

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
  /** What a connection told that is no word, and was dropped for. */
  doubt: string | undefined;

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

/**
 * Asks for the word. What is no word may be another program's item, or a damaged reply: it is believed when the next
 * connection tells the same.
 */
export class GenerationCheck extends Call {
  #status = 0;
  #word: string | undefined;
  /** The CAS of another program's item. */
  #foreign: bigint | undefined;

  constructor(
    private readonly checked: Generation,
    private readonly done: (foreign: bigint | undefined) => void,
    reject: (error: StockpileError) => void,
  ) {
    super(reject);
  }

  override write(out: RequestWriter): true {
    out.key(OP.get, this.opaque, generationKey(this.checked.namespace));
    return true;
  }

  override take(reply: Reply): true {
    expectReply(reply, OP.get);
    this.#status = reply.status;
    if (reply.status === STATUS.ok) {
      const text = reply.value.toString('latin1', 0, 64);
      if (WORD.test(text) && reply.flags === hashOf(text)) this.#word = text;
      else this.#doubt(`${reply.flags} ${text}`, reply.cas);
    }
    return true;
  }

  override finish({ server }: Limits): void {
    if (this.#status !== STATUS.ok && this.#status !== STATUS.notFound) {
      this.fail(statusError(this.#status, server));
      return;
    }
    this.settled = true;
    if (this.#foreign === undefined) this.checked.doubt = undefined;
    this.checked.set(this.#word);
    this.done(this.#foreign);
  }

  #doubt(seen: string, cas: bigint): void {
    const told = this.checked.doubt;
    this.checked.doubt = seen;
    if (told !== seen) throw new ProtocolError('what stands in the place of a generation is none');
    this.#foreign = cas;
  }
}

/** Writes a new word. */
export class NewGeneration extends Call {
  #status = 0;
  readonly #word = newWord();

  /**
   * `over`: what it replaces: nothing, whatever is there, or what has this CAS. `resolve` with false: something else is
   * there, and nothing was written.
   */
  constructor(
    private readonly over: 'nothing' | 'anything' | bigint,
    private readonly renewed: Generation,
    private readonly resolve: (written: boolean) => void,
    reject: (error: StockpileError) => void,
  ) {
    super(reject);
  }

  override write(out: RequestWriter): true {
    const cas = typeof this.over === 'bigint' ? this.over : 0n;
    const head = { flags: hashOf(this.#word), expiry: NEVER, cas };
    out.store(this.#opcode, this.opaque, generationKey(this.renewed.namespace), head, [Buffer.from(this.#word)]);
    return true;
  }

  override take(reply: Reply): true {
    expectReply(reply, this.#opcode);
    this.#status = reply.status;
    return true;
  }

  override finish({ server }: Limits): void {
    const isWritten = this.#status === STATUS.ok;
    const isElse = this.#status === STATUS.exists || this.#status === STATUS.notFound;
    if (!isWritten && (this.over === 'anything' || !isElse)) {
      this.fail(statusError(this.#status, server));
      return;
    }
    this.settled = true;
    if (isWritten) this.renewed.set(this.#word);
    this.resolve(isWritten);
  }

  get #opcode(): number {
    return this.over === 'nothing' ? OP.add : OP.set;
  }
}
