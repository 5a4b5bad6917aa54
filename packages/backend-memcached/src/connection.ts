/**
 * One connection, from the attempt to its loss. A new attempt is a new object: what an old socket still says reaches
 * nobody. Replies come in the order of the requests, so the oldest call is the one that a reply belongs to; its number
 * (opaque) must say the same.
 */

import type { Socket } from 'node:net';
import type { Call, Limits } from './call.js';
import { ProtocolError, type Reply, ReplyReader } from './reply-reader.js';
import { RequestWriter } from './request-writer.js';
import { unavailable } from './statuses.js';

/** Opaques stay below the sign bit of 32. */
const LAST_OPAQUE = 0x7fff_ffff;
/** Settled calls at the front of the queue that are carried along before it is cut. */
const SPENT = 1024;

let batches = 0;

export interface ConnectionOwner {
  /** Replies arrived, whole ones. */
  answered(): void;
  /** Every reply to `call` is there. */
  completed(call: Call, limits: Limits): void;
  /** The end of it, once; `calls` have no answer. */
  lost(connection: Connection, error: Error, calls: readonly Call[]): void;
}

export class Connection {
  /** The handshake is, or was, done. */
  isReady = false;
  /** Of the next write: what is asked for at once goes out together. No two connections share a number. */
  batch: number = ++batches;
  limits: Limits;
  /** `performance.now()` when the last whole reply was there. */
  answeredAt: number = Number.NEGATIVE_INFINITY;
  readonly #out = new RequestWriter();
  readonly #reader = new ReplyReader();
  #calls: Call[] = [];
  /** Of the oldest call without all of its replies. */
  #first = 0;
  #opaque = 0;
  #flushing = false;
  /** The last bytes completed a reply. */
  #hasReply = false;
  #isLost = false;
  readonly #onReply = (reply: Reply): void => this.#take(reply);

  constructor(
    readonly socket: Socket,
    server: string,
    private readonly owner: ConnectionOwner,
  ) {
    this.limits = { server, valueBytes: 0 };
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.receive(chunk));
    socket.on('error', (error) => this.drop(error));
    socket.on('end', () => this.drop(new Error('the server closed the connection')));
    socket.on('close', () => this.drop(new Error('the connection was closed')));
  }

  get isIdle(): boolean {
    return this.#first === this.#calls.length;
  }

  /** Bytes that the kernel has not taken yet. */
  get unsent(): number {
    return this.socket.writableLength + this.#out.bytes;
  }

  /** Writes the call to the batch that goes out when the running JavaScript has ended; or settles it at once. */
  send(call: Call): void {
    if (this.#isLost) {
      call.fail(unavailable(this.limits.server, new Error('the connection was lost')));
      return;
    }
    if (this.#opaque + call.count > LAST_OPAQUE) this.#opaque = 0;
    call.opaque = this.#opaque + 1;
    if (!call.write(this.#out, this.limits)) return;
    this.#opaque += call.count;
    if (this.isIdle) this.socket.ref();
    this.#calls.push(call);
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(() => this.#flush());
  }

  /** Since when the server owes a reply and has sent none; undefined: it owes nothing. */
  get silentSince(): number | undefined {
    const oldest = this.#calls[this.#first];
    return oldest && Math.max(oldest.since, this.answeredAt);
  }

  /** Those without all of their replies. */
  *calls(): Generator<Call, void, undefined> {
    for (let i = this.#first; i < this.#calls.length; i++) yield this.#calls[i] as Call;
  }

  receive(chunk: Buffer): void {
    if (this.#isLost) return;
    this.#hasReply = false;
    try {
      this.#reader.feed(chunk, this.#onReply);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.drop(error);
      return;
    }
    if (!this.#hasReply || this.#isLost) return;
    if (this.#first >= SPENT || this.isIdle) {
      this.#calls = this.isIdle ? [] : this.#calls.slice(this.#first);
      this.#first = 0;
    }
    this.answeredAt = performance.now();
    if (this.isReady) this.owner.answered();
    if (this.isIdle) this.socket.unref();
  }

  /** Ends it at once; the owner is told. */
  drop(error: Error): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.socket.destroy();
    const calls = [...this.calls()];
    this.#calls = [];
    this.#first = 0;
    this.owner.lost(this, error, calls);
  }

  #flush(): void {
    this.#flushing = false;
    this.batch = ++batches;
    if (!this.#isLost) this.#out.flush(this.socket);
  }

  #take(reply: Reply): void {
    const call = this.#calls[this.#first];
    const index = call === undefined ? -1 : reply.opaque - call.opaque;
    if (call === undefined || index < 0 || index >= call.count)
      throw new ProtocolError('a reply that nobody asked for');
    this.#hasReply = true;
    if (!call.take(reply, index)) return;
    this.#first++;
    this.owner.completed(call, this.limits);
  }
}
