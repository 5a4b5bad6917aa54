/** memjs, with types for what the benchmark uses: it has none. */

// @ts-expect-error it has no types
import untyped from 'memjs';

export type Server = object;

export interface Found {
  readonly value: Buffer | null;
}

export interface Client {
  get(key: string): Promise<Found>;
  set(key: string, value: string | Buffer, options: { readonly expires?: number }): Promise<boolean>;
  close(): void;
}

interface Memjs {
  /** `port` may be the path of a socket. */
  readonly Server: new (
    host: string | undefined,
    port: number | string,
  ) => Server;
  readonly Client: new (servers: readonly Server[], options?: { readonly retries?: number }) => Client;
}

const memjs: Memjs = untyped as unknown as Memjs;
export default memjs;
