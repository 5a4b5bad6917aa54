/** A memcached server. */

import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { onPath, ServerMissingError } from './on-path.js';
import { startPasswordServer, type User } from './sasl.js';
import { type Place, type Recipe, type RunningServer, startServer } from './server-process.js';

export interface MemcachedOptions {
  /** Further arguments of memcached, such as `['-m', '8', '-I', '2m']`. */
  readonly args?: readonly string[];
  /** Listens on `path` instead of a port: memcached does not both. */
  readonly unix?: boolean;
  /** Listens on ::1 instead of 127.0.0.1. */
  readonly ipv6?: boolean;
  /** The only user; without it, everybody may do everything. A server with SASL speaks only the binary protocol. */
  readonly sasl?: User;
}

/**
 * Listens on a port of 127.0.0.1, without UDP.
 *
 * @example
 * const memcached = await startMemcached({ args: ['-m', '8'] });
 * const client = memjs.Client.create(`127.0.0.1:${memcached.port}`);
 * …
 * await memcached.stop();
 *
 * @throws ServerMissingError where there is no memcached.
 */
export async function startMemcached(options: MemcachedOptions = {}): Promise<RunningServer> {
  const { args = [], unix = false, ipv6 = false, sasl } = options;
  const program = onPath('memcached');
  if (program === undefined) throw new ServerMissingError('there is no memcached on the PATH');
  const host = ipv6 ? '::1' : '127.0.0.1';
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : []; // as root it wants to be told
  const passwords = sasl && (await startPasswordServer(sasl));
  const recipe: Recipe = {
    program,
    host,
    noPort: unix,
    args: ({ port, path }) => [
      ...(unix ? ['-s', path] : ['-l', host, '-p', String(port), '-U', '0']),
      ...user,
      ...(sasl ? ['-S'] : []),
      ...args,
    ],
    env: (place) => ({ MEMCACHED_PORT_FILENAME: place.listening, ...passwords?.env }),
    ready: (place) => (unix ? connects(place.path) : listens(place, host)),
    ...(passwords && { release: passwords.close }),
  };
  return startServer(recipe);
}

/** memcached writes a file once it has its port: only this shows that it is not another server that answers there. */
async function listens({ listening, port }: Place, host: string): Promise<boolean> {
  return existsSync(listening) && connects({ host, port });
}

function connects(to: string | { host: string; port: number }): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof to === 'string' ? createConnection(to) : createConnection(to);
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}
