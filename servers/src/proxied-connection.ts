/** One connection through the fault proxy: a socket of the client, a socket to the server, and a fault between them. */

import type { Socket } from 'node:net';
import { badLengths, garbage, type Random } from './damage.js';
import type { Fault } from './faults.js';

const DRIP_MS = 100;

export class ProxiedConnection {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #random: Random;
  #fault: Fault = 'pass';
  /** Not yet with the server. */
  #requests: Buffer[] = [];
  /** Not yet with the client. */
  #replies: Buffer[] = [];
  /** How the server has ended the connection, while the client does not know. */
  #ending: 'fin' | 'reset' | undefined;
  /** The half of `halfAnswer` is gone; silence follows. */
  #halved = false;
  #dripping: NodeJS.Timeout | undefined;

  readonly #closed: Promise<unknown>;

  /** Both sockets must allow to be half open. `onClose` is called when the client's is gone. */
  constructor(client: Socket, server: Socket, random: Random, onClose: () => void) {
    this.#client = client.setNoDelay(true);
    this.#server = server.setNoDelay(true);
    this.#random = random;
    client.on('data', (chunk: Buffer) => {
      this.#requests.push(chunk);
      this.#moveOn();
    });
    client.on('end', () => this.destroy()); // no client of a cache closes one side alone
    client.on('error', () => {}); // 'close' follows
    client.once('close', () => {
      this.#stopDripping();
      this.#server.destroy();
      onClose();
    });
    server.on('data', (chunk: Buffer) => {
      this.#replies.push(chunk);
      this.#moveOn();
    });
    server.on('end', () => this.#serverEnded('fin'));
    server.on('error', () => this.#serverEnded('reset'));
    this.#closed = Promise.all(
      [client, server].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    );
  }

  set fault(fault: Fault) {
    this.#fault = fault;
    this.#halved = false;
    this.#stopDripping();
    if (fault === 'refuse' || fault === 'reset') this.reset();
    else this.#moveOn();
  }

  reset(): void {
    this.#client.resetAndDestroy();
  }

  /** Resolves when no socket is left. */
  async destroy(): Promise<void> {
    this.#client.destroy();
    await this.#closed;
  }

  #serverEnded(how: 'fin' | 'reset'): void {
    this.#ending ??= how;
    this.#moveOn();
  }

  #moveOn(): void {
    if (this.#client.destroyed || this.#fault === 'blackHole') return;
    if (this.#fault === 'fin') this.#endAtRequest();
    else send(this.#requests.splice(0), this.#client, this.#server);
    this.#moveReplies();
  }

  /** The request is lost: a server that closes the connection does not read on. */
  #endAtRequest(): void {
    if (this.#requests.splice(0).length === 0) return;
    this.#end();
  }

  #moveReplies(): void {
    switch (this.#fault) {
      case 'halfAnswer':
        if (!this.#halved) this.#halved = this.#sendHalf();
        return;
      case 'finAfterHalf':
        if (this.#sendHalf()) this.#end();
        else this.#showEnding();
        return;
      case 'drip':
        this.#dripping ??= setInterval(() => this.#drip(), DRIP_MS).unref();
        return;
      case 'garbage':
        this.#flush((reply) => garbage(reply, this.#random));
        return;
      case 'badLengths':
        this.#flush((reply) => badLengths(reply, this.#random));
        return;
      default:
        this.#flush((reply) => reply);
    }
  }

  #flush(damage: (reply: Buffer) => Buffer): void {
    send(this.#replies.splice(0).map(damage), this.#server, this.#client);
    this.#showEnding();
  }

  /** False while there is none. */
  #sendHalf(): boolean {
    const reply = this.#replies.shift();
    if (reply === undefined) return false;
    const half = reply.length >> 1;
    this.#replies.unshift(reply.subarray(half));
    this.#client.write(reply.subarray(0, half));
    return true;
  }

  #drip(): void {
    const reply = this.#replies.shift();
    if (reply === undefined) {
      this.#showEnding();
      return;
    }
    if (reply.length > 1) this.#replies.unshift(reply.subarray(1));
    this.#client.write(reply.subarray(0, 1));
  }

  #showEnding(): void {
    if (this.#ending === 'fin') this.#client.end();
    else if (this.#ending === 'reset') this.reset();
  }

  /** FIN to the client. What it still sends is read and dropped, until it closes its side too. */
  #end(): void {
    this.#replies = [];
    this.#ending = 'fin';
    this.#client.end();
    this.#server.destroy();
  }

  #stopDripping(): void {
    clearInterval(this.#dripping);
    this.#dripping = undefined;
  }
}

/** A reader that does not keep up holds its writer back. */
function send(chunks: readonly Buffer[], from: Socket, to: Socket): void {
  if (!to.writable) return;
  let room = true;
  for (const chunk of chunks) room = to.write(chunk);
  if (room || from.isPaused()) return;
  from.pause();
  to.once('drain', () => from.resume());
}
