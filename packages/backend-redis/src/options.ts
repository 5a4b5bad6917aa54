/** What the application may write, checked, and as the rest of the package works with it. */

import type { ConnectionOptions } from 'node:tls';
import {
  type ByteSize,
  booleanOf,
  checkObject,
  type Duration,
  parseByteSize,
  parseDuration,
  refuseMisspelt,
  secretOf,
  show,
  ValidationError,
  wholeNumberOf,
} from '@stockpile/core';
import type { Cluster, Redis } from 'ioredis';
import {
  type Address,
  type HostAndPort,
  hostOf,
  nodesOf,
  partsOfUrl,
  portOf,
  type RedisNode,
  serverName,
} from './server-address.js';

/** An ioredis 5 or 6 client of the application, `Redis` or `Cluster`. */
export interface RedisClient {
  readonly status: string;
  duplicate(...args: never[]): unknown;
  getBuffer(...args: never[]): unknown;
}

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
  /**
   * True, or what node:tls takes (`ca`, `cert`, `key`, `servername`, …); also with `rediss://`, `cluster` and `sentinels`.
   * Default: whether `url` says `rediss://`.
   */
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

/** `RedisArguments`, checked. */
export interface RedisSettings {
  /** For messages and states: `host:port` or a path, no secrets. */
  readonly server: string;
  readonly address: Address;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly db: number;
  readonly tls: ConnectionOptions | undefined;
  readonly cluster: readonly HostAndPort[] | undefined;
  readonly sentinels:
    | {
        readonly nodes: readonly HostAndPort[];
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

const NAMES = [
  ...(['url', 'host', 'port', 'path', 'username', 'password', 'db', 'tls', 'cluster', 'sentinels', 'name'] as const),
  ...(['sentinelUsername', 'sentinelPassword', 'client', 'lease', 'events', 'maxValueBytes'] as const),
  ...(['timeout', 'report'] as const), // of a driver made by hand
] as const satisfies readonly (keyof RedisArguments | 'timeout' | 'report')[];

const SEVERAL = "url', 'cluster' or 'sentinels";
const NAMESPACE = "namespace' of the region, beside 'name";
/** What other libraries call it. The rest of what is unknown may be meant for another backend. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  uri: 'url',
  urls: SEVERAL,
  server: SEVERAL,
  servers: SEVERAL,
  hosts: SEVERAL,
  nodes: SEVERAL,
  rootNodes: 'cluster',
  hostname: 'host',
  socket: 'path',
  user: 'username',
  pass: 'password',
  auth: 'password',
  database: 'db',
  masterName: 'name',
  redis: 'client',
  connection: 'client',
  lockTtl: 'lease',
  lockLease: 'lease',
  prefix: NAMESPACE,
  keyPrefix: NAMESPACE,
  connectTimeout: "timeout' of the region, beside 'arguments",
  commandTimeout: "timeout' of the region, beside 'arguments",
};
const EXCLUSIVE = ['client', 'cluster', 'sentinels', 'url', 'path', 'host', 'port'] as const;

export function redisSettings(args: RedisArguments): RedisSettings {
  checkObject(args, "backend 'redis'", "{ url: 'redis://host' }");
  refuseMisspelt(args, NAMES, OTHER_NAMES, 'arguments');
  refuseTwoPlaces(args);
  const given = args.url === undefined ? args : withUrl(args);
  const { client } = given;
  const tls = tlsOf(given.tls);
  const cluster = given.cluster === undefined ? undefined : nodesOf(given.cluster, 'cluster', DEFAULT_PORT);
  const sentinels = sentinelsOf(given);
  const db = wholeNumberOf(given.db ?? 0, 'db', 0, 1_000_000);
  if (cluster !== undefined && db !== 0) throw new ValidationError(`db: a cluster has database 0 only, not ${db}`);
  if (given.username !== undefined && given.password === undefined) {
    throw new ValidationError('username: needs a password too');
  }
  const lease = parseDuration(given.lease ?? '10s', 'lease');
  if (lease < SHORTEST_LEASE_MS || lease === Infinity) {
    throw new ValidationError(
      `lease: must be from ${SHORTEST_LEASE_MS} ms, and not Infinity; ${show(given.lease)} is not allowed`,
    );
  }
  const maxValueBytes = parseByteSize(given.maxValueBytes ?? MAX_VALUE_BYTES, 'maxValueBytes');
  if (maxValueBytes > MAX_VALUE_BYTES) {
    throw new ValidationError(`maxValueBytes: Redis takes at most 512M, not ${show(given.maxValueBytes)}`);
  }
  const address =
    given.path === undefined
      ? { host: hostOf(given.host ?? '127.0.0.1', 'host'), port: portOf(given.port ?? DEFAULT_PORT, 'port') }
      : { path: hostOf(given.path, 'path') };
  const settings = { address, tls, cluster, sentinels, lease, maxValueBytes };
  const events = booleanOf(given.events ?? true, 'events');
  if (client !== undefined) return { ...settings, ...ofClient(client), events };
  return {
    ...settings,
    server: serverName(sentinels?.nodes ?? cluster ?? [address], sentinels?.name),
    username: optional(given.username, 'username'),
    password: optional(given.password, 'password'),
    db,
    client: undefined,
    events,
  };
}

function refuseTwoPlaces(args: RedisArguments): void {
  const [one, other] = EXCLUSIVE.filter((name) => args[name] !== undefined);
  if (one === undefined || other === undefined || (one === 'host' && other === 'port')) return;
  throw new ValidationError(`arguments: '${one}' and '${other}' both say where the server is; give one of them`);
}

/** What stands in the URL goes with what stands beside it. */
function withUrl(args: RedisArguments): RedisArguments {
  const { tls, ...parts } = partsOfUrl(args.url);
  for (const name of ['username', 'password', 'db'] as const) {
    if (args[name] !== undefined && parts[name] !== undefined) {
      throw new ValidationError(`${name}: stands in 'url' too; give it once`);
    }
  }
  const isOff = args.tls !== undefined && tlsOf(args.tls) === undefined;
  if (tls && isOff) throw new ValidationError("tls: false contradicts rediss:// in 'url'; redis:// is without TLS");
  return { ...args, ...parts, tls: args.tls ?? tls };
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
  if (name === undefined) {
    throw new ValidationError("name: sentinels need the name of the master, such as 'mymaster'");
  }
  return {
    nodes: nodesOf(sentinels, 'sentinels', SENTINEL_PORT),
    name: secretOf(name, 'name'),
    username: optional(sentinelUsername, 'sentinelUsername'),
    password: optional(sentinelPassword, 'sentinelPassword'),
  };
}

function tlsOf(given: RedisArguments['tls']): ConnectionOptions | undefined {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given;
  return booleanOf(given ?? false, 'tls', 'true, false, or what node:tls takes, such as { ca }') ? {} : undefined;
}

function optional(given: unknown, option: string): string | undefined {
  return given === undefined ? undefined : secretOf(given, option);
}
