/** A TCP proxy in front of a server that shows a client every way in which a network or a server fails. */

import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { type Random, randomFrom } from './damage.js';
import type { Fault } from './faults.js';
import { freePort } from './free-port.js';
import { ProxiedConnection } from './proxied-connection.js';

/** A `RunningServer` is one as well: its port counts, or its path where it has no port. */
export type Target =
  | { readonly port: number; readonly host?: string; readonly path?: string }
  | { readonly path: string };

const MOST_PORTS = 20;

/**
 * @example
 * const proxy = await FaultProxy.open(await startRedis());
 * const client = new Redis(proxy.port);
 * await proxy.fault('blackHole'); // calls of the client find no answer
 * await proxy.heal();
 * await proxy.close();
 */
export class FaultProxy {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly #target: Target;
  readonly #random: Random;
  readonly #open = new Set<ProxiedConnection>();
  #fault: Fault = 'pass';
  #listener: Server | undefined;
  #adjusted: Promise<void> = Promise.resolve();
  #closed = false;
  #accepted = 0;
  #bytesFromClient = 0;

  /** In front of `target`, whether that is up or not. The same `seed` (default 1) makes the same garbage. */
  static async open(target: Target, { seed = 1 }: { readonly seed?: number } = {}): Promise<FaultProxy> {
    for (let tries = 1; ; tries++) {
      const proxy = new FaultProxy(target, seed, await freePort());
      try {
        await proxy.heal();
        return proxy;
      } catch (error) {
        if (tries === MOST_PORTS) throw error; // others were faster, each time
      }
    }
  }

  private constructor(target: Target, seed: number, port: number) {
    this.#target = target;
    this.#random = randomFrom(seed);
    this.port = port;
  }

  /** Connections of clients that are open now. */
  get connections(): number {
    return this.#open.size;
  }

  /** All connections that were ever taken: what a client tries of a dead server. */
  get accepted(): number {
    return this.#accepted;
  }

  /** All bytes that ever came from clients, passed on or not. */
  get bytesFromClient(): number {
    return this.#bytesFromClient;
  }

  /** Once it resolves, the fault is in force. Faults do not add up: the last one counts. @throws Error after `close()`. */
  async fault(fault: Fault): Promise<void> {
    if (this.#closed) throw new Error('the proxy is closed; open another one');
    this.#fault = fault;
    for (const connection of this.#open) connection.fault = fault;
    await this.#adjust();
  }

  /** The same as `fault('pass')`. */
  heal(): Promise<void> {
    return this.fault('pass');
  }

  /** Ends everything: afterwards the port refuses, and no socket is left. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#adjust(), ...[...this.#open].map((connection) => connection.destroy())]);
  }

  /** Listens or not, as the last call wants it; one change after the other, also for callers who do not wait. */
  #adjust(): Promise<void> {
    this.#adjusted = this.#adjusted
      .catch(() => {})
      .then(() => (this.#closed || this.#fault === 'refuse' ? this.#stopListening() : this.#listen()));
    return this.#adjusted;
  }

  #stopListening(): void {
    this.#listener?.close();
    this.#listener = undefined;
  }

  async #listen(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen({ host: this.host, port: this.port, exclusive: true }, resolve);
    });
    listener.unref(); // a test that fails before it closes us must end all the same
    this.#listener = listener;
  }

  #accept(client: Socket): void {
    if (this.#closed) {
      client.destroy();
      return;
    }
    this.#accepted++;
    client.on('data', (chunk: Buffer) => {
      this.#bytesFromClient += chunk.length;
    });
    const connection = new ProxiedConnection(client, this.#connect(), this.#random, () => {
      this.#open.delete(connection);
    });
    this.#open.add(connection);
    connection.fault = this.#fault;
  }

  /** Where the server is dead, the client's connection is reset: it was taken already. */
  #connect(): Socket {
    const target = this.#target;
    if ('port' in target && target.port > 0) {
      return createConnection({ port: target.port, host: target.host ?? '127.0.0.1', allowHalfOpen: true });
    }
    if (target.path === undefined) throw new Error('the target of a proxy needs a port or a path');
    return createConnection({ path: target.path, allowHalfOpen: true });
  }
}
