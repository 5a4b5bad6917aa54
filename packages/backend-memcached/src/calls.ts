/** Operations on one key. Each resolves its caller's promise itself: a hit pays for one promise. */

import { NO_VALUE, type NoValue } from '@stockpile/core';
import { Call, expectReply, type Limits, type Reject } from './call.js';
import { decodeEntry } from './entry.js';
import type { Generation } from './generations.js';
import { OP, STATUS } from './opcodes.js';
import type { Reply } from './reply-reader.js';
import type { RequestWriter } from './request-writer.js';
import { statusError, tooLarge } from './statuses.js';

/** Under which generation and name something is kept. */
export interface Place {
  readonly generation: Generation;
  readonly name: string;
}

/** What the server has under a key. */
export interface Found {
  readonly flags: number;
  readonly value: Buffer;
  readonly cas: bigint;
}

/** `word`: the generation in which it was seen. */
export interface Look {
  readonly found: Found | undefined;
  readonly word: string;
}

/** `absent` and `changed`: the condition did not hold, and nothing was stored. */
export interface StoreOutcome {
  readonly outcome: 'stored' | 'absent' | 'changed';
  readonly cas: bigint;
  readonly word: string;
}

abstract class PlaceCall extends Call {
  override readonly generation: Generation;

  constructor(
    protected readonly place: Place,
    reject: Reject,
    override readonly pinned: string | undefined = undefined,
  ) {
    super(reject);
    this.generation = place.generation;
  }
}

/** The bytes of an entry. */
export class GetCall extends PlaceCall {
  #status = 0;
  #found: Buffer | NoValue = NO_VALUE;

  constructor(
    place: Place,
    private readonly hashedKey: string | undefined,
    private readonly resolve: (found: Buffer | NoValue) => void,
    reject: Reject,
  ) {
    super(place, reject);
  }

  override write(out: RequestWriter): true {
    out.key(OP.get, this.opaque, this.generation.prefix + this.place.name);
    return true;
  }

  override take(reply: Reply): true {
    expectReply(reply, OP.get);
    this.#status = reply.status;
    this.#found = reply.status === STATUS.ok ? decodeEntry(reply.flags, reply.value, this.hashedKey) : NO_VALUE;
    return true;
  }

  override finish({ server }: Limits): void {
    if (this.#status !== STATUS.ok && this.#status !== STATUS.notFound) {
      this.fail(statusError(this.#status, server));
      return;
    }
    this.settled = true;
    this.resolve(this.#found);
  }
}

/** What is there, with its CAS. */
export class LookCall extends PlaceCall {
  #status = 0;
  #found: Found | undefined;

  constructor(
    place: Place,
    private readonly resolve: (look: Look) => void,
    reject: Reject,
  ) {
    super(place, reject);
  }

  override write(out: RequestWriter): true {
    out.key(OP.get, this.opaque, this.generation.key(this.place.name));
    return true;
  }

  override take(reply: Reply): true {
    expectReply(reply, OP.get);
    this.#status = reply.status;
    this.#found = reply.status === STATUS.ok ? { flags: reply.flags, value: reply.value, cas: reply.cas } : undefined;
    return true;
  }

  override finish({ server }: Limits): void {
    if (this.#status !== STATUS.ok && this.#status !== STATUS.notFound) {
      this.fail(statusError(this.#status, server));
      return;
    }
    this.settled = true;
    this.resolve({ found: this.#found, word: this.written as string });
  }
}

export interface StoreWhat {
  readonly flags: number;
  readonly pieces: readonly Uint8Array[];
  readonly expiry: number;
}

/** Bytes of the value. */
export function sizeOf({ pieces }: StoreWhat): number {
  let bytes = 0;
  for (const piece of pieces) bytes += piece.length;
  return bytes;
}

export interface StoreHow {
  /** Only if nothing is there. */
  readonly absent?: boolean;
  /** Only if what is there still has this CAS. */
  readonly cas?: bigint;
  /** Deleted as well, before: a name under the same generation. */
  readonly free?: string;
  readonly pinned?: string;
}

export class StoreCall extends PlaceCall {
  override readonly count: number;
  override readonly bytes: number;
  readonly #opcode: number;
  #status = 0;
  #cas = 0n;

  constructor(
    place: Place,
    private readonly what: StoreWhat,
    private readonly how: StoreHow,
    private readonly resolve: (outcome: StoreOutcome) => void,
    reject: Reject,
  ) {
    super(place, reject, how.pinned);
    this.count = how.free === undefined ? 1 : 2;
    this.bytes = sizeOf(what);
    this.#opcode = how.absent ? OP.add : OP.set;
  }

  override write(out: RequestWriter, { valueBytes }: Limits): boolean {
    const { what, how, generation, bytes } = this;
    if (bytes > valueBytes) {
      // never sent: the server would delete what it has under this key
      this.fail(tooLarge(this.place.name, bytes, valueBytes, 'start memcached with a larger item size (-I)'));
      return false;
    }
    if (how.free !== undefined) out.key(OP.delete, this.opaque, generation.prefix + how.free);
    const head = { flags: what.flags, expiry: what.expiry, cas: how.cas ?? 0n };
    out.store(this.#opcode, this.opaque + this.count - 1, generation.prefix + this.place.name, head, what.pieces);
    return true;
  }

  override take(reply: Reply, index: number): boolean {
    if (index < this.count - 1) {
      expectReply(reply, OP.delete);
      return false;
    }
    expectReply(reply, this.#opcode);
    this.#status = reply.status;
    if (reply.status === STATUS.ok) this.#cas = reply.cas;
    return true;
  }

  override finish({ server }: Limits): void {
    const status = this.#status;
    if (status === STATUS.ok) this.#settle('stored');
    else if (status === STATUS.notFound) this.#settle('absent');
    else if (status === STATUS.exists || status === STATUS.notStored) this.#settle('changed');
    else this.fail(statusError(status, server));
  }

  override lost(): void {
    this.#settle('changed');
  }

  #settle(outcome: StoreOutcome['outcome']): void {
    this.settled = true;
    this.resolve({ outcome, cas: this.#cas, word: this.written ?? '' });
  }
}

/** Whether something was deleted. */
export class DeleteCall extends PlaceCall {
  override readonly count: number;
  #status = 0;

  constructor(
    place: Place,
    private readonly how: Omit<StoreHow, 'absent'>,
    private readonly resolve: (was: boolean) => void,
    reject: Reject,
  ) {
    super(place, reject, how.pinned);
    this.count = how.free === undefined ? 1 : 2;
  }

  override write(out: RequestWriter): true {
    const { how, generation, count } = this;
    if (how.free !== undefined) out.key(OP.delete, this.opaque, generation.prefix + how.free);
    out.key(OP.delete, this.opaque + count - 1, generation.prefix + this.place.name, how.cas);
    return true;
  }

  override take(reply: Reply, index: number): boolean {
    expectReply(reply, OP.delete);
    if (index < this.count - 1) return false;
    this.#status = reply.status;
    return true;
  }

  override finish({ server }: Limits): void {
    const status = this.#status;
    if (status !== STATUS.ok && status !== STATUS.notFound && status !== STATUS.exists) {
      this.fail(statusError(status, server));
      return;
    }
    this.settled = true;
    this.resolve(status === STATUS.ok);
  }

  override lost(): void {
    this.settled = true;
    this.resolve(false);
  }
}
