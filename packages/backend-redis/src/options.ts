/** What the application may write, checked, and as the rest of the package works with it. */

import type { ConnectionOptions } from 'node:tls';
import { type ByteSize, type Duration, parseByteSize, parseDuration, show, ValidationError } from '@stockpile/core';
import type { Cluster, Redis } from 'ioredis';

/** An ioredis 5 or 6 client of the application, `Redis` or `Cluster`. */
export interface RedisClient {
  readonly status: string;
  duplicate(...args: never[]): unknown;
  getBuffer(...args: never[]): unknown;
}

/** `'host'`, `'host:port'` or both apart. */
export type RedisNode = string | { readonly host: string; readonly port?: number | string | undefined };

/** The arguments of `configure('redis')`. Texts (`'6379'`, `'true'`, `'10s'`) are read as the option's type. */
export interface RedisArguments {
  /** `redis://user:password@host:port/db`, `rediss://…` for TLS, `redis+unix:///path?db=1`, or the path of a socket. */
  readonly url?: string | undefined;
  /** Default `'127.0.0.1'`. */
  readonly host?: string | undefined;
  /** Default 6379. */
  readonly port?: number | string | undefined;
  /** Of a unix socket, instead of host and port. */
  readonly path?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Number of the database. Default 0, the only one of a cluster. */
  readonly db?: number | string | undefined;
  /** True, or what node:tls takes (`ca`, `cert`, `key`, `servername`, …). Default false. */
  readonly tls?: boolean | string | ConnectionOptions | undefined;
  /** Nodes of a cluster, some of them will do; text: a comma list. */
  readonly cluster?: string | readonly RedisNode[] | undefined;
  /** Sentinels, which tell the master of `name`; text: a comma list. */
  readonly sentinels?: string | readonly RedisNode[] | undefined;
  /** What the sentinels call the master. */
  readonly name?: string | undefined;
  readonly sentinelUsername?: string | undefined;
  readonly sentinelPassword?: string | undefined;
  /** An ioredis client of the application, instead of all of the above. It is never closed here. */
  readonly client?: RedisClient | undefined;
  /**
   * How long the lock of a creator outlives its process, 100 ms or more: it is renewed each third of it. Default `'10s'`.
   * A process that stands still for longer loses it, and what it creates is not stored.
   */
  readonly lease?: Duration | undefined;
  /** False: no messages with writes; `subscribe` and `waitFor` are then not to be had. Default true. */
  readonly events?: boolean | string | undefined;
  /** Most bytes of a stored value with its envelope of 14 bytes or more. Default and most `'512M'`. */
  readonly maxValueBytes?: ByteSize | undefined;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** `RedisArguments`, checked. */
export interface RedisSettings {
  /** For messages and states: `host:port` or a path, no secrets. */
  readonly server: string;
  readonly address: Address | { readonly path: string };
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  readonly tls: ConnectionOptions | undefined;
  readonly cluster: readonly Address[] | undefined;
  readonly sentinels:
    | {
        readonly nodes: readonly Address[];
        readonly name: string;
        readonly username: string | undefined;
        readonly password: string | undefined;
      }
    | undefined;
  readonly client: Redis | Cluster | undefined;
  /** ms. */
  readonly lease: number;
  readonly events: boolean;
  readonly maxValueBytes: number;
}

const DEFAULT_PORT = 6379;
const SENTINEL_PORT = 26_379;
/** Of Redis, proto-max-bulk-len. */
const MAX_VALUE_BYTES = 512 * 2 ** 20;
const SHORTEST_LEASE_MS = 100;

/** What other libraries call it. The rest of what is unknown may be meant for another backend. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  uri: 'url',
  hostname: 'host',
  socket: 'path',
  user: 'username',
  database: 'db',
  nodes: 'cluster',
  rootNodes: 'cluster',
  masterName: 'name',
  redis: 'client',
  connection: 'client',
  lockTtl: 'lease',
};
const EXCLUSIVE = ['client', 'cluster', 'sentinels', 'url', 'path', 'host'] as const;

export function redisSettings(args: RedisArguments): RedisSettings {
  if (typeof args !== 'object' || args === null || Array.isArray(args)) {
    throw new ValidationError(`backend 'redis': arguments must be an object like { url: 'redis://host' }`);
  }
  refuseOthers(args);
  const given = args.url === undefined ? args : { ...args, ...fromUrl(args.url) };
  const { client } = given;
  const tls = tlsOf(given.tls);
  const cluster = given.cluster === undefined ? undefined : nodesOf(given.cluster, 'cluster', DEFAULT_PORT);
  const sentinels = sentinelsOf(given);
  const db = wholeNumber(given.db ?? 0, 'db', 0, 1_000_000);
  if (cluster !== undefined && db !== 0) throw new ValidationError(`db: a cluster has database 0 only, not ${db}`);
  if (given.username !== undefined && given.password === undefined) {
    throw new ValidationError('username: needs a password too');
  }
  const lease = parseDuration(given.lease ?? '10s', 'lease');
  if (lease < SHORTEST_LEASE_MS || lease === Infinity) {
    throw new ValidationError(`lease: must be ${SHORTEST_LEASE_MS} ms or more and end, not ${show(given.lease)}`);
  }
  const maxValueBytes = parseByteSize(given.maxValueBytes ?? MAX_VALUE_BYTES, 'maxValueBytes');
  if (maxValueBytes > MAX_VALUE_BYTES) {
    throw new ValidationError(`maxValueBytes: Redis takes at most 512M, not ${show(given.maxValueBytes)}`);
  }
  const address =
    given.path === undefined
      ? { host: textOf(given.host ?? '127.0.0.1', 'host'), port: portOf(given.port ?? DEFAULT_PORT, 'port') }
      : { path: textOf(given.path, 'path') };
  const settings = { address, tls, cluster, sentinels, lease, maxValueBytes };
  const events = booleanOf(given.events ?? true, 'events');
  if (client !== undefined) return { ...settings, ...ofClient(client), events };
  return {
    ...settings,
    server: serverName(sentinels?.nodes ?? cluster ?? [address], sentinels?.name),
    username: given.username === undefined ? undefined : textOf(given.username, 'username'),
    password: secretOf(given.password, 'password'),
    db,
    client: undefined,
    events,
  };
}

function refuseOthers(args: RedisArguments): void {
  for (const [name, value] of Object.entries(args)) {
    if (value === undefined) continue;
    if (name === 'keyPrefix') {
      throw new ValidationError("keyPrefix: is the region's business; give it a 'namespace' instead");
    }
    const meant = Object.hasOwn(OTHER_NAMES, name) ? OTHER_NAMES[name] : undefined;
    if (meant !== undefined) throw new ValidationError(`arguments: there is no '${name}'; is it '${meant}'?`);
  }
  const [one, other] = EXCLUSIVE.filter((name) => args[name] !== undefined);
  if (one !== undefined && other !== undefined) {
    throw new ValidationError(`arguments: '${one}' and '${other}' both say where the server is; give one of them`);
  }
}

/** Never shows the URL: it holds a password. */
function fromUrl(url: unknown): Partial<RedisArguments> {
  if (typeof url !== 'string' || url === '') throw new ValidationError('url: must be a text like redis://host:6379/0');
  if (url.startsWith('/')) return { path: url };
  let parsed: URL;
  try {
    parsed = new URL(url.includes('://') ? url : `redis://${url}`);
  } catch {
    throw new ValidationError('url: must be like redis://user:password@host:6379/0, rediss://host or /path/of/socket');
  }
  const { protocol, hostname, port, pathname, searchParams } = parsed;
  const login = {
    ...(parsed.username !== '' && { username: decodeURIComponent(parsed.username) }),
    ...(parsed.password !== '' && { password: decodeURIComponent(parsed.password) }),
  };
  const query = searchParams.get('db');
  if (protocol === 'redis+unix:' || protocol === 'unix:') {
    return { path: decodeURIComponent(pathname), ...login, ...(query !== null && { db: query }) };
  }
  if (protocol !== 'redis:' && protocol !== 'rediss:') {
    throw new ValidationError(`url: begins with redis://, rediss:// or redis+unix://, not ${protocol}//`);
  }
  const db = query ?? pathname.slice(1);
  return {
    host: hostname.replace(/^\[|\]$/g, '') || '127.0.0.1',
    ...(port !== '' && { port }),
    ...login,
    ...(db !== '' && { db }),
    ...(protocol === 'rediss:' && { tls: true }),
  };
}

function ofClient(given: RedisClient): Pick<RedisSettings, 'server' | 'username' | 'password' | 'db' | 'client'> {
  const client = given as unknown as Redis | Cluster;
  const methods = ['getBuffer', 'callBuffer', 'duplicate', 'pipeline', 'on', 'off'] as const;
  if (typeof client !== 'object' || client === null || methods.some((name) => typeof client[name] !== 'function')) {
    throw new ValidationError(`client: must be a Redis or Cluster of ioredis 5 or 6, not ${show(given)}`);
  }
  const { options } = client;
  if (options.keyPrefix) {
    throw new ValidationError(
      "client: has a keyPrefix, which SCAN ignores; give one without, and the region a 'namespace'",
    );
  }
  const none = { username: undefined, password: undefined, client };
  if (client.isCluster) return { ...none, server: 'the cluster of the given client', db: 0 };
  const { path, host = '127.0.0.1', port = DEFAULT_PORT, db = 0 } = options as Redis['options'];
  return { ...none, server: path ?? serverName([{ host, port }]), db };
}

function sentinelsOf(given: RedisArguments): RedisSettings['sentinels'] {
  const { sentinels, name, sentinelUsername, sentinelPassword } = given;
  if (sentinels === undefined) return undefined;
  if (typeof name !== 'string' || name === '') {
    throw new ValidationError("name: sentinels need the name of the master, such as 'mymaster'");
  }
  return {
    nodes: nodesOf(sentinels, 'sentinels', SENTINEL_PORT),
    name,
    username: sentinelUsername === undefined ? undefined : textOf(sentinelUsername, 'sentinelUsername'),
    password: secretOf(sentinelPassword, 'sentinelPassword'),
  };
}

function nodesOf(given: string | readonly RedisNode[], option: string, defaultPort: number): Address[] {
  const list = typeof given === 'string' ? given.split(',') : given;
  if (!Array.isArray(list) || list.length === 0) {
    throw new ValidationError(`${option}: must be a list like ['host:port', 'host:port'], not ${show(given)}`);
  }
  return list.map((node: RedisNode) => {
    if (typeof node !== 'string') {
      const { host, port = defaultPort } = node ?? {};
      return { host: textOf(host, `${option}.host`), port: portOf(port, `${option}.port`) };
    }
    // host, host:port, [ipv6]:port
    const match = /^(?:\[([^\]]+)\]|([^:@/\s]+))(?::(\d+))?$/.exec(node.trim());
    if (match === null) throw new ValidationError(`${option}: nodes are written host:port, without more`);
    return { host: (match[1] ?? match[2]) as string, port: portOf(match[3] ?? defaultPort, option) };
  });
}

function serverName(nodes: readonly (Address | { readonly path: string })[], name?: string): string {
  const where = nodes
    .map((node) =>
      'path' in node ? node.path : `${node.host.includes(':') ? `[${node.host}]` : node.host}:${node.port}`,
    )
    .join(',');
  return name === undefined ? where : `${name} of ${where}`;
}

function tlsOf(given: RedisArguments['tls']): ConnectionOptions | undefined {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given;
  return booleanOf(given ?? false, 'tls') ? {} : undefined;
}

function portOf(given: unknown, option: string): number {
  return wholeNumber(given, option, 1, 65_535);
}

function textOf(given: unknown, option: string): string {
  if (typeof given === 'string' && given !== '' && !given.includes('\0')) return given;
  throw new ValidationError(`${option}: must be a text, not ${show(given)}`);
}

function secretOf(given: unknown, option: string): string | undefined {
  if (given === undefined || (typeof given === 'string' && given !== '')) return given;
  throw new ValidationError(`${option}: must be a text that is not empty`);
}

function wholeNumber(given: unknown, option: string, least: number, most: number): number {
  const number = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) return number;
  throw new ValidationError(`${option}: must be a whole number from ${least} to ${most}, not ${show(given)}`);
}

function booleanOf(given: unknown, option: string): boolean {
  if (typeof given === 'boolean') return given;
  if (typeof given === 'string' && /^(true|false)$/i.test(given)) return given.toLowerCase() === 'true';
  throw new ValidationError(`${option}: must be true or false, not ${show(given)}`);
}
