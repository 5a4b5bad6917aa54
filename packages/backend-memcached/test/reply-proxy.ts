/** A proxy that sees single replies, and may change, leave out, repeat or delay them. */

import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunningServer } from '@stockpile/servers';

const HEADER_BYTES = 24;

/** What the client gets instead of a reply. */
export type Change = (reply: Buffer) => readonly Buffer[];

export class ReplyProxy {
  change: Change = (reply) => [reply];
  /** ms that each piece of what the server sends is held. */
  delay = 0;
  readonly #listener: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: RunningServer) {
    this.#listener = createServer((client) => this.#join(client, createConnection(target.port, target.host))).unref();
  }

  static async open(target: RunningServer): Promise<ReplyProxy> {
    const proxy = new ReplyProxy(target);
    await once(proxy.#listener.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get url(): string {
    return `127.0.0.1:${(this.#listener.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#listener.close();
    await once(this.#listener, 'close');
  }

  #join(client: Socket, server: Socket): void {
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => {}); // 'close' follows
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.on('data', (chunk) => server.write(chunk));
    let rest = Buffer.alloc(0);
    let turn: Promise<void> = Promise.resolve();
    server.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      const out: Buffer[] = [];
      while (rest.length >= HEADER_BYTES && rest.length >= HEADER_BYTES + rest.readUInt32BE(8)) {
        const end = HEADER_BYTES + rest.readUInt32BE(8);
        out.push(...this.change(Buffer.from(rest.subarray(0, end))));
        rest = rest.subarray(end);
      }
      const held = this.delay === 0 ? undefined : sleep(this.delay);
      turn = turn.then(() => held).then(() => void client.write(Buffer.concat(out)));
    });
  }
}
