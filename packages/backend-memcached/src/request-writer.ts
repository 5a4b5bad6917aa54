/** Requests, gathered until they go to the socket in one write. */

import type { Socket } from 'node:net';

const HEADER_BYTES = 24;
const SLAB_BYTES = 64 * 1024;
/** Header, extras and key of a request always fit into this. */
const ROOM_BYTES = 1024;
/** Larger pieces of a value go to the socket as they are, smaller ones are copied into the slab. */
const LARGE_BYTES = 8 * 1024;

/** Flags, expiry in seconds and CAS of a store. */
export interface StoreHead {
  readonly flags: number;
  /** As `expirySeconds` makes it. */
  readonly expiry: number;
  /** 0: whatever is there. */
  readonly cas: bigint;
}

export class RequestWriter {
  #slab: Buffer = Buffer.allocUnsafeSlow(SLAB_BYTES);
  /** Begin and end of what is in the slab and was not handed over. */
  #from = 0;
  #at = 0;
  readonly #chunks: Uint8Array[] = [];
  #chunkBytes = 0;

  /** Bytes that were not handed over yet. */
  get bytes(): number {
    return this.#chunkBytes + this.#at - this.#from;
  }

  /** A request of a key alone. `cas` 0: whatever is there. */
  key(opcode: number, opaque: number, key: string, cas = 0n): void {
    const slab = this.#room();
    const at = this.#at;
    const keyBytes = slab.write(key, at + HEADER_BYTES, 'utf8');
    this.#head(opcode, opaque, keyBytes, 0, keyBytes, cas);
    this.#at = at + HEADER_BYTES + keyBytes;
  }

  /** A request that stores the pieces, one after the other. */
  store(opcode: number, opaque: number, key: string, head: StoreHead, pieces: readonly Uint8Array[]): void {
    const slab = this.#room();
    const at = this.#at;
    const keyBytes = slab.write(key, at + HEADER_BYTES + 8, 'utf8');
    let body = 8 + keyBytes;
    for (const piece of pieces) body += piece.length;
    this.#head(opcode, opaque, keyBytes, 8, body, head.cas);
    slab.writeUInt32BE(head.flags, at + HEADER_BYTES);
    slab.writeUInt32BE(head.expiry, at + HEADER_BYTES + 4);
    this.#at = at + HEADER_BYTES + 8 + keyBytes;
    for (const piece of pieces) this.#piece(piece);
  }

  /** A request that is made already. */
  raw(request: Uint8Array): void {
    this.#piece(request);
  }

  /** Hands everything to the socket in one write. */
  flush(socket: Socket): void {
    this.#cut();
    const [first, ...rest] = this.#chunks.splice(0);
    this.#chunkBytes = 0;
    if (first === undefined) return;
    if (rest.length === 0) {
      socket.write(first);
      return;
    }
    socket.cork();
    socket.write(first);
    for (const chunk of rest) socket.write(chunk);
    socket.uncork();
  }

  #head(opcode: number, opaque: number, keyBytes: number, extras: number, body: number, cas: bigint): void {
    const slab = this.#slab;
    const at = this.#at;
    slab[at] = 0x80;
    slab[at + 1] = opcode;
    slab[at + 2] = keyBytes >> 8;
    slab[at + 3] = keyBytes & 0xff;
    slab[at + 4] = extras;
    slab[at + 5] = 0;
    slab[at + 6] = 0;
    slab[at + 7] = 0;
    slab.writeUInt32BE(body, at + 8);
    slab.writeUInt32BE(opaque, at + 12);
    if (cas === 0n) slab.fill(0, at + 16, at + 24);
    else slab.writeBigUInt64BE(cas, at + 16);
  }

  #piece(piece: Uint8Array): void {
    if (piece.length > LARGE_BYTES) {
      this.#cut();
      this.#chunks.push(piece);
      this.#chunkBytes += piece.length;
      return;
    }
    if (this.#slab.length - this.#at < piece.length) this.#newSlab();
    this.#slab.set(piece, this.#at);
    this.#at += piece.length;
  }

  #room(): Buffer {
    if (this.#slab.length - this.#at < ROOM_BYTES) this.#newSlab();
    return this.#slab;
  }

  /** What was handed over may still be on its way: its bytes are never written again. */
  #newSlab(): void {
    this.#cut();
    this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    this.#from = 0;
    this.#at = 0;
  }

  #cut(): void {
    if (this.#at === this.#from) return;
    this.#chunks.push(this.#slab.subarray(this.#from, this.#at));
    this.#chunkBytes += this.#at - this.#from;
    this.#from = this.#at;
  }
}
