/**
 * SUBSCRIBE and what follows it, on a connection that ioredis has opened. In its own subscriber mode a damaged reply is
 * an exception that nobody can catch; here it ends the connection.
 */

import type { Duplex } from 'node:stream';
import { type Reply, ReplyParser } from './resp.js';

type Kind = 'subscribe' | 'psubscribe' | 'unsubscribe' | 'punsubscribe' | 'ping';

interface Asked {
  readonly kind: Kind;
  /** Replies that are still to come: one per name. */
  left: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class MessageStream {
  readonly #asked: Asked[] = [];
  readonly #parser = new ReplyParser();

  constructor(
    private readonly stream: Duplex,
    /** `name`: of the channel or the pattern that was subscribed to. */
    private readonly onMessage: (name: string, message: Buffer) => void,
  ) {
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => this.#read(chunk));
    stream.once('close', () => this.#fail(new Error('the connection was closed')));
  }

  /** Resolves when the server has confirmed each name. */
  send(kind: Kind, names: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.stream.destroyed) return reject(new Error('the connection was closed'));
      this.#asked.push({ kind, left: kind === 'ping' ? 1 : names.length, resolve, reject });
      const parts = [kind, ...names].map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
      this.stream.write(`*${parts.length}\r\n${parts.join('')}`);
    });
  }

  #read(chunk: Buffer): void {
    try {
      this.#parser.write(chunk, (reply) => this.#take(reply));
    } catch (error) {
      this.stream.removeAllListeners('data');
      this.#fail(error);
      this.stream.destroy();
    }
  }

  #take(reply: Reply): void {
    if (reply instanceof Error) {
      this.#asked.shift()?.reject(reply);
      return;
    }
    const [first, name, second, third] = Array.isArray(reply) ? (reply as readonly Reply[]) : [reply, null];
    const kind = String(first);
    if (kind !== 'message' && kind !== 'pmessage') {
      this.#confirmed(kind.toLowerCase().replace('pong', 'ping'));
      return;
    }
    const message = kind === 'pmessage' ? third : second;
    if (!Buffer.isBuffer(name) || !Buffer.isBuffer(message)) throw new Error('a damaged message');
    this.onMessage(name.toString(), message);
  }

  #confirmed(kind: string): void {
    const [first] = this.#asked;
    if (first?.kind !== kind) throw new Error(`an answer to '${kind}', which was not asked`);
    if (--first.left > 0) return;
    this.#asked.shift();
    first.resolve();
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#asked.splice(0)) reject(error);
  }
}
