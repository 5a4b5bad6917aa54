/** A redis-server without persistence. */

import { createCertificate } from './certificate.js';
import { onPath, ServerMissingError } from './on-path.js';
import { ask, RedisReplyError } from './resp.js';
import { type Place, type Recipe, type RunningServer, startServer } from './server-process.js';

export interface RedisOptions {
  /** Further arguments of redis-server, such as `['--maxmemory', '4mb']`. */
  readonly args?: readonly string[];
  /** Of the default user. Default: none. */
  readonly password?: string;
  /** The port speaks TLS, with a certificate for 127.0.0.1 and localhost; `ca` of the server is to be trusted. */
  readonly tls?: boolean;
}

/**
 * Listens on a port of 127.0.0.1 and on a unix socket.
 *
 * @example
 * const redis = await startRedis();
 * const client = new Redis(redis.port);
 * …
 * await redis.stop();
 *
 * @throws ServerMissingError where there is no redis-server.
 */
export async function startRedis({ args = [], password, tls = false }: RedisOptions = {}): Promise<RunningServer> {
  const certificate = tls ? createCertificate() : undefined;
  const secret = password === undefined ? [] : ['--requirepass', password];
  return startServer({
    ...redisRecipe((place) => [...secret, ...args, ...(tls ? tlsArguments(place) : [])]),
    ...(certificate && {
      ca: certificate.cert,
      files: () => ({ 'cert.pem': certificate.cert, 'key.pem': certificate.key }),
    }),
  });
}

/** Of a server that holds data; `more` overrides what stands here. @throws ServerMissingError */
export function redisRecipe(more: (place: Place) => readonly string[]): Recipe {
  return {
    program: redisServer(),
    args: (place) => [
      ...['--bind', '127.0.0.1', '--port', String(place.port), '--unixsocket', place.path, '--daemonize', 'no'],
      ...['--save', '', '--appendonly', 'no', '--dir', place.folder],
      ...more(place),
    ],
    ready: answersPing,
  };
}

/** The path of redis-server. @throws ServerMissingError */
export function redisServer(): string {
  const program = onPath('redis-server');
  if (program === undefined) throw new ServerMissingError('there is no redis-server on the PATH');
  return program;
}

/**
 * On the unix socket, which lies in a folder of this server alone: a port may be held by another. It is opened after
 * the port, so that who answers there has both.
 */
export async function answersPing({ path }: Place): Promise<boolean> {
  try {
    return (await ask(path, 'PING')) === 'PONG';
  } catch (error) {
    return error instanceof RedisReplyError && error.message.startsWith('NOAUTH');
  }
}

function tlsArguments({ port }: Place): readonly string[] {
  const files = ['--tls-cert-file', 'cert.pem', '--tls-key-file', 'key.pem', '--tls-ca-cert-file', 'cert.pem'];
  return ['--port', '0', '--tls-port', String(port), ...files, '--tls-auth-clients', 'no'];
}
