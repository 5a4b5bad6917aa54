/** Operations on many keys of one namespace on one server: quiet commands, then a noop that is always answered. */

import { NO_VALUE, type NoValue, type StockpileError } from '@stockpile/core';
import { Call, expectReply, type Limits, type Reject } from './call.js';
import { type StoreWhat, sizeOf } from './calls.js';
import { decodeEntry } from './entry.js';
import type { Generation } from './generations.js';
import { OP, STATUS } from './opcodes.js';
import { lockName } from './physical-key.js';
import type { KeyPlace } from './place.js';
import type { Reply } from './reply-reader.js';
import type { RequestWriter } from './request-writer.js';
import { statusError, tooLarge } from './statuses.js';

/** The answers, aligned with the keys; an error for each that the server could not tell. */
export class MultiGetCall extends Call {
  override readonly count: number;
  #found: (Buffer | NoValue)[];
  #status: number = STATUS.ok;

  constructor(
    override readonly generation: Generation,
    private readonly places: readonly KeyPlace[],
    private readonly resolve: (found: (Buffer | NoValue)[]) => void,
    reject: Reject,
  ) {
    super(reject);
    this.count = places.length + 1;
    this.#found = new Array(places.length).fill(NO_VALUE);
  }

  override write(out: RequestWriter): true {
    const { prefix } = this.generation;
    let { opaque } = this;
    for (const { name } of this.places) out.key(OP.getQuietly, opaque++, prefix + name);
    out.key(OP.noop, opaque, '');
    return true;
  }

  override take(reply: Reply, index: number): boolean {
    const asked = this.places[index];
    if (asked === undefined) {
      expectReply(reply, OP.noop);
      return true;
    }
    expectReply(reply, OP.getQuietly);
    if (reply.status === STATUS.ok) {
      this.#found[index] = decodeEntry(reply.flags, reply.value, asked.hashedKey);
    } else if (reply.status !== STATUS.notFound) this.#status = reply.status;
    return false;
  }

  override again(): void {
    this.#found.fill(NO_VALUE);
    this.#status = STATUS.ok;
  }

  override finish({ server }: Limits): void {
    if (this.#status !== STATUS.ok) {
      this.fail(statusError(this.#status, server));
      return;
    }
    this.settled = true;
    this.resolve(this.#found);
  }
}

export interface NamedStore extends StoreWhat {
  /** As the driver was given it. */
  readonly key: string;
  /** What follows the generation. */
  readonly name: string;
}

/** Stores each under its key, and frees its lock. Answers with the errors of those that were not stored. */
export class MultiSetCall extends Call {
  override readonly count: number;
  override readonly bytes: number;
  /** Of those that are too large. */
  readonly #refused = new Map<string, StockpileError>();
  /** Of those that the server did not store. */
  readonly #statuses = new Map<string, number>();

  constructor(
    override readonly generation: Generation,
    private readonly items: readonly NamedStore[],
    private readonly resolve: (failed: ReadonlyMap<string, StockpileError>) => void,
    reject: Reject,
  ) {
    super(reject);
    this.count = 2 * items.length + 1;
    this.bytes = items.reduce((sum, item) => sum + sizeOf(item), 0);
  }

  override write(out: RequestWriter, { valueBytes }: Limits): true {
    const { prefix } = this.generation;
    let { opaque } = this;
    for (const item of this.items) {
      const { key, name, flags, expiry, pieces } = item;
      const bytes = sizeOf(item);
      if (bytes > valueBytes) {
        this.#refused.set(key, tooLarge(key, bytes, valueBytes, 'start memcached with a larger item size (-I)'));
      } else {
        out.key(OP.delete, opaque, prefix + lockName(name));
        out.store(OP.setQuietly, opaque + 1, prefix + name, { flags, expiry, cas: 0n }, pieces);
      }
      opaque += 2;
    }
    out.key(OP.noop, opaque, '');
    return true;
  }

  override take(reply: Reply, index: number): boolean {
    const item = this.items[index >> 1];
    if (item === undefined) {
      expectReply(reply, OP.noop);
      return true;
    }
    if (index % 2 === 0) expectReply(reply, OP.delete);
    else {
      expectReply(reply, OP.setQuietly);
      if (reply.status !== STATUS.ok) this.#statuses.set(item.key, reply.status);
    }
    return false;
  }

  override again(): void {
    this.#statuses.clear();
  }

  override finish({ server }: Limits): void {
    this.settled = true;
    for (const [key, status] of this.#statuses) this.#refused.set(key, statusError(status, server));
    this.resolve(this.#refused);
  }
}

/** Deletes each, and its lock. Answers with how many were there. */
export class MultiDeleteCall extends Call {
  override readonly count: number;
  #deleted = 0;
  #status: number = STATUS.ok;

  constructor(
    override readonly generation: Generation,
    private readonly names: readonly string[],
    private readonly resolve: (deleted: number) => void,
    reject: Reject,
  ) {
    super(reject);
    this.count = 2 * names.length;
  }

  override write(out: RequestWriter): true {
    const { prefix } = this.generation;
    let { opaque } = this;
    for (const name of this.names) {
      out.key(OP.delete, opaque++, prefix + lockName(name));
      out.key(OP.delete, opaque++, prefix + name);
    }
    return true;
  }

  override take(reply: Reply, index: number): boolean {
    expectReply(reply, OP.delete);
    if (index % 2 === 1) {
      if (reply.status === STATUS.ok) this.#deleted++;
      else if (reply.status !== STATUS.notFound) this.#status = reply.status;
    }
    return index === this.count - 1;
  }

  override again(): void {
    this.#deleted = 0;
    this.#status = STATUS.ok;
  }

  override finish({ server }: Limits): void {
    if (this.#status !== STATUS.ok) {
      this.fail(statusError(this.#status, server));
      return;
    }
    this.settled = true;
    this.resolve(this.#deleted);
  }
}
