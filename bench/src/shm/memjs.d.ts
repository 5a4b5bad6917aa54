/** What the benchmark uses of memjs, which has no types. */

declare module 'memjs' {
  /** `port` may be the path of a socket. */
  export class Server {
    constructor(host: string | undefined, port: number | string);
  }
  export class Client {
    constructor(servers: readonly Server[], options?: { readonly retries?: number });
    get(key: string): Promise<{ readonly value: Buffer | null }>;
    set(key: string, value: string, options: { readonly expires?: number }): Promise<boolean>;
    close(): void;
  }
  const memjs: { readonly Client: typeof Client; readonly Server: typeof Server };
  export default memjs;
}
