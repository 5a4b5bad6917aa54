/** What is asked of one server: a request, and what becomes of its replies. */

import type { StockpileError } from '@stockpile/core';
import type { Generation } from './generations.js';
import { OP, STATUS } from './opcodes.js';
import { ProtocolError, type Reply } from './reply-reader.js';
import type { RequestWriter } from './request-writer.js';

export type Reject = (error: StockpileError) => void;

/** Of the server that a call is written to. */
export interface Limits {
  /** For errors. */
  readonly server: string;
  /** Most bytes of a value, with what this driver puts beside it. */
  readonly valueBytes: number;
}

export abstract class Call {
  /** Of `performance.now()`. */
  readonly since: number = performance.now();
  /** Set by the server that it is handed to. */
  deadline: number = Infinity;
  /** The first of `count` that its commands and replies carry. */
  opaque = 0;
  /** Its caller has an answer; replies may still come. */
  settled = false;
  /** Commands that it consists of. */
  readonly count: number = 1;
  /** Of the values that it stores. */
  readonly bytes: number = 0;
  /** Known to depend on a generation, and which. */
  readonly generation: Generation | undefined = undefined;
  /** The generation whose keys were written. */
  written: string | undefined = undefined;
  /** It is of use under this generation only. */
  readonly pinned: string | undefined = undefined;

  constructor(private readonly reject: Reject) {}

  /** False: there is nothing to send, and it is settled. */
  abstract write(out: RequestWriter, limits: Limits): boolean;

  /** `index`: which of its commands is answered. True when this was the last reply. Never throws but a ProtocolError. */
  abstract take(reply: Reply, index: number): boolean;

  /** All replies are there, and they hold. */
  abstract finish(limits: Limits): void;

  /** Forgets the replies, since it is to be asked again. */
  again(): void {}

  /** The generation that it is pinned to has passed. */
  lost(): void {}

  fail(error: StockpileError): void {
    if (this.settled) return;
    this.settled = true;
    this.reject(error);
  }
}

/** Throws unless the reply has the form that memcached gives replies to `opcode`: of a damaged one nothing is believed. */
export function expectReply(reply: Reply, opcode: number): void {
  if (reply.opcode !== opcode) throw new ProtocolError(`a reply to command ${reply.opcode}, not to ${opcode}`);
  if (!hasForm(reply, opcode)) throw new ProtocolError(`a reply to command ${opcode} has another form`);
}

function hasForm(reply: Reply, opcode: number): boolean {
  if (reply.status !== STATUS.ok) return reply.extrasBytes === 0;
  switch (opcode) {
    case OP.get:
    case OP.getQuietly:
      return reply.isEntry;
    case OP.stat:
    case OP.authenticate:
      return true;
    default:
      return reply.isEmpty;
  }
}

/** What a call that is sent to `server` resolves with. */
export function ask<T>(
  server: { send(call: Call): void },
  make: (resolve: (answer: T) => void, reject: (error: Error) => void) => Call,
  until: number = Infinity,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const call = make(resolve, reject);
    call.deadline = until;
    server.send(call);
  });
}
