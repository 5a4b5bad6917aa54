/** memjs, with types: those that this package and its tests use. It has none of its own. */

import type { Socket } from 'node:net';
// @ts-expect-error it has no types
import untyped from 'memjs';

/** Of a server only the handshake is used, which writes to `sock`. The rest is replaced, or never called. */
export interface MemjsServer {
  username: string | undefined;
  password: string | undefined;
  /** Writes a PLAIN request with opaque 0 to `sock(true, …)`. */
  saslAuth(): void;
  sock(sasl: boolean, go: (socket: Socket) => void): void;
  close(): void;
}

/** For tests: how other programs use the servers. */
export interface MemjsClient {
  get(key: string): Promise<{ readonly value: Buffer | null }>;
  set(key: string, value: Buffer | string, options: { readonly expires?: number }): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  flush(): Promise<unknown>;
  close(): void;
}

interface Memjs {
  /** `port` may be the path of a socket. */
  readonly Server: new (
    host: string,
    port: number | string,
  ) => MemjsServer;
  readonly Client: new (servers: readonly MemjsServer[], options?: object) => MemjsClient;
  readonly Utils: {
    makeRequestBuffer(opcode: number, key: string, extras: string, value: string, opaque: number): Buffer;
  };
}

export const memjs: Memjs = untyped as unknown as Memjs;
