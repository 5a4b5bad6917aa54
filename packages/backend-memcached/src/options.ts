/** What the application may write, checked, and as the rest of the package works with it. */

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
} from '@stockpile/core';
import { parseServer, type ServerAddress } from './server-address.js';

/** One server of several. */
export interface MemcachedServerOptions {
  /** As `url` of `MemcachedArguments`, of one server. */
  readonly url: string;
  /** Its share of the keys, compared with the others': a whole number from 1 to 100. Default 1. */
  readonly weight?: number | undefined;
}

/** The arguments of `configure('memcached')`. Texts (`'2m'`, `'true'`) are read as the option's type. */
export interface MemcachedArguments {
  /**
   * The servers: one, a list, or a text with commas between them. Each is `host`, `host:port`, `[::1]:port`,
   * `memcached://user:password@host:port?weight=2`, or the absolute path of a unix socket. Default `'127.0.0.1:11211'`.
   */
  readonly url?: string | readonly (string | MemcachedServerOptions)[] | undefined;
  /** For SASL (PLAIN), for all servers whose URL has none. Default: no authentication. */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Most bytes of a stored value with its envelope of 14 bytes or more. Default: what each server can take (`-I`). */
  readonly maxValueBytes?: ByteSize | undefined;
  /**
   * How long a lock outlives its holder's process, 1 s to 1 h, in whole seconds (rounded up). Renewed while the holder
   * lives. Default `'10s'`.
   */
  readonly lease?: Duration | undefined;
  /**
   * Whether the next server of the ring serves the keys of one that is down until that is back. Default false: its
   * keys are unavailable, and creators run. The price stands in `docs/memcached.md`.
   */
  readonly failover?: boolean | undefined;
}

export interface MemcachedSettings {
  readonly servers: readonly ServerAddress[];
  readonly maxValueBytes: number;
  /** ms. */
  readonly lease: number;
  readonly failover: boolean;
}

const NAMES = ['url', 'username', 'password', 'maxValueBytes', 'lease', 'failover'] as const;
/** What others call them. */
const OTHER_NAMES: Readonly<Record<string, (typeof NAMES)[number]>> = {
  urls: 'url',
  uri: 'url',
  servers: 'url',
  server: 'url',
  hosts: 'url',
  user: 'username',
  pass: 'password',
  maxValueSize: 'maxValueBytes',
  lockLease: 'lease',
  host: 'url',
};

/** Throws a `ValidationError` that names the argument, the value and what is allowed. */
export function memcachedSettings(args: MemcachedArguments): MemcachedSettings {
  checkObject(args, "backend 'memcached'", "{ url: 'host:11211' }");
  refuseMisspelt(args, NAMES, OTHER_NAMES, 'arguments');
  const { maxValueBytes, lease = '10s', failover = false } = args;
  return {
    servers: serversOf(args),
    maxValueBytes: maxValueBytes === undefined ? Infinity : parseByteSize(maxValueBytes, 'maxValueBytes'),
    lease: leaseOf(lease),
    failover: booleanOf(failover, 'failover'),
  };
}

function serversOf({ url = '127.0.0.1:11211', username, password }: MemcachedArguments): readonly ServerAddress[] {
  const credentials = credentialsOf(username, password);
  const given = typeof url === 'string' ? url.split(',') : url;
  if (!Array.isArray(given) || given.length === 0) {
    throw new ValidationError("url: must be 'host:port', a list of them, or a text with commas between them");
  }
  const servers = given.map((each: string | MemcachedServerOptions) =>
    typeof each === 'object' && each !== null
      ? parseServer(each.url, credentials, each.weight)
      : parseServer(each, credentials),
  );
  const labels = servers.map(({ label }) => label);
  const twice = labels.find((label, i) => labels.indexOf(label) !== i);
  if (twice === undefined) return servers;
  throw new ValidationError(`url: ${twice} is named twice; give it a weight instead`);
}

function credentialsOf(
  username: unknown,
  password: unknown,
): { readonly user: string; readonly password: string } | undefined {
  if (username === undefined && password === undefined) return undefined;
  // neither is shown: a password ends up in the wrong one easily
  return { user: secretOf(username, 'username'), password: secretOf(password, 'password') };
}

function leaseOf(given: Duration): number {
  const lease = parseDuration(given, 'lease');
  if (lease >= 1000 && lease <= 3_600_000) return Math.ceil(lease / 1000) * 1000;
  throw new ValidationError(`lease: must be from '1s' to '1h', not ${show(given)}`);
}
