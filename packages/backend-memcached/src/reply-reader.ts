/** From the bytes of a connection to whole replies. */

import { notMemcached } from './statuses.js';

const HEADER_BYTES = 24;
const RESPONSE = 0x81;
/** memcached's items have at most 1 GiB; a larger length is no length. */
const MAX_BODY_BYTES = 2 ** 30 + 2 ** 20;

/** What came is no reply of memcached: nothing that follows on this connection can be trusted. */
export class ProtocolError extends Error {}

/** One reply. The same object is used for all: what is to stay must be taken from it at once. */
export class Reply {
  opcode = 0;
  status = 0;
  opaque = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #valueAt = 0;
  #end = 0;

  /** Reads the header at `at`; the end of the reply, which may be beyond the bytes. */
  read(bytes: Buffer, at: number): number {
    if (bytes[at] !== RESPONSE) throw new ProtocolError(notMemcached(bytes[at]));
    this.opcode = bytes[at + 1] as number;
    const keyBytes = ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
    const extras = bytes[at + 4] as number;
    this.status = ((bytes[at + 6] as number) << 8) | (bytes[at + 7] as number);
    const body = bytes.readUInt32BE(at + 8);
    if (body < keyBytes + extras || body > MAX_BODY_BYTES) {
      throw new ProtocolError(`a reply of ${body} bytes had a key of ${keyBytes} and extras of ${extras}`);
    }
    this.opaque = bytes.readUInt32BE(at + 12);
    this.#bytes = bytes;
    this.#at = at;
    this.#valueAt = at + HEADER_BYTES + extras + keyBytes;
    this.#end = at + HEADER_BYTES + body;
    return this.#end;
  }

  /** 0 where there is none. */
  get cas(): bigint {
    return this.#bytes.readBigUInt64BE(this.#at + 16);
  }

  get extrasBytes(): number {
    return this.#bytes[this.#at + 4] as number;
  }

  /** It has the form of a hit: flags and a value. */
  get isEntry(): boolean {
    return this.extrasBytes === 4 && this.#valueAt === this.#at + HEADER_BYTES + 4;
  }

  /** It has neither extras nor key nor value. */
  get isEmpty(): boolean {
    return this.#end === this.#at + HEADER_BYTES;
  }

  /** Of an entry; -1 where there are none. */
  get flags(): number {
    return this.extrasBytes === 4 ? this.#bytes.readUInt32BE(this.#at + HEADER_BYTES) : -1;
  }

  get key(): string {
    return this.#bytes.toString('utf8', this.#at + HEADER_BYTES + this.extrasBytes, this.#valueAt);
  }

  /** Not a copy: it shares memory with what arrived together with it, at most 64 KiB more. */
  get value(): Buffer {
    return this.#bytes.subarray(this.#valueAt, this.#end);
  }
}

export class ReplyReader {
  readonly #reply = new Reply();
  /** The beginning of a reply whose rest is still to come, joined once it is there. */
  #pieces: Buffer[] = [];
  #have = 0;
  #need = HEADER_BYTES;

  /** Calls `take` for each whole reply. Throws `ProtocolError` for what cannot be one. */
  feed(chunk: Buffer, take: (reply: Reply) => void): void {
    let bytes = chunk;
    if (this.#have > 0) {
      this.#pieces.push(chunk);
      this.#have += chunk.length;
      if (this.#have < this.#need) return;
      bytes = Buffer.concat(this.#pieces, this.#have);
      this.#pieces = [];
    }
    const reply = this.#reply;
    let at = 0;
    this.#need = HEADER_BYTES;
    while (bytes.length - at >= HEADER_BYTES) {
      const end = reply.read(bytes, at);
      if (end > bytes.length) {
        this.#need = end - at;
        break;
      }
      take(reply);
      at = end;
    }
    this.#have = bytes.length - at;
    if (this.#have > 0) this.#pieces.push(at === 0 ? bytes : bytes.subarray(at));
    // of 24 bytes the first ones already tell garbage, which may stop short of a header
    if (this.#have > 0 && this.#have < HEADER_BYTES && bytes[at] !== RESPONSE) {
      throw new ProtocolError(notMemcached(bytes[at]));
    }
  }
}
