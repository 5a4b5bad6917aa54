/** Where servers are, as the application may write it. */

import { show, ValidationError, wholeNumberOf } from '@stockpile/core';

/** `'host'`, `'host:port'` or both apart. */
export type RedisNode = string | { readonly host: string; readonly port?: number | string | undefined };

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

export type Address = HostAndPort | { readonly path: string };

/** What a URL says; the texts are not checked yet. */
export interface UrlParts {
  readonly host?: string;
  readonly port?: string;
  readonly path?: string;
  readonly username?: string;
  readonly password?: string;
  readonly db?: string;
  readonly tls?: true;
}

const LARGEST_PORT = 65_535;

/** Never shows the URL: it holds a password. */
export function partsOfUrl(url: unknown): UrlParts {
  if (typeof url !== 'string' || url === '') throw new ValidationError('url: must be a text like redis://host:6379/0');
  if (url.startsWith('/')) return { path: url };
  const { protocol, hostname, port, pathname, searchParams, username, password } = parseUrl(url);
  const login = {
    ...(username !== '' && { username: decode(username) }),
    ...(password !== '' && { password: decode(password) }),
  };
  const query = searchParams.get('db');
  if (protocol === 'redis+unix:' || protocol === 'unix:') {
    return { path: decode(pathname), ...login, ...(query !== null && { db: query }) };
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

function parseUrl(url: string): URL {
  try {
    return new URL(url.includes('://') ? url : `redis://${url}`);
  } catch {
    const port = /:(\d{5,})(?:[/?]|$)/.exec(url)?.[1];
    throw new ValidationError(
      port !== undefined && Number(port) > LARGEST_PORT
        ? `url: the port must be from 1 to ${LARGEST_PORT}`
        : 'url: must be like redis://user:password@host:6379/0, rediss://host or /path/of/socket; in a password / is written %2F, # %23, ? %3F, @ %40 and % %25',
    );
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new ValidationError('url: % must be written %25');
  }
}

/** A list, or a text with commas. */
export function nodesOf(given: string | readonly RedisNode[], option: string, defaultPort: number): HostAndPort[] {
  const list = typeof given === 'string' ? given.split(',') : given;
  if (!Array.isArray(list) || list.length === 0) {
    throw new ValidationError(`${option}: must be a list like ['host:port', 'host:port'], not ${show(given)}`);
  }
  return list.map((node: RedisNode) => {
    if (typeof node !== 'string') {
      const { host, port = defaultPort } = node ?? {};
      return { host: hostOf(host, `${option}.host`), port: portOf(port, `${option}.port`) };
    }
    // host, host:port, [ipv6]:port
    const match = /^(?:\[([^\]]+)\]|([^:@/\s]+))(?::(\d+))?$/.exec(node.trim());
    if (match === null) throw new ValidationError(`${option}: nodes are written host:port, without more`);
    return { host: (match[1] ?? match[2]) as string, port: portOf(match[3] ?? defaultPort, option) };
  });
}

export function portOf(given: unknown, option: string): number {
  return wholeNumberOf(given, option, 1, LARGEST_PORT);
}

/** A host or a path. */
export function hostOf(given: unknown, option: string): string {
  if (typeof given === 'string' && given !== '' && !given.includes('\0')) return given;
  throw new ValidationError(`${option}: must be a text, not ${show(given)}`);
}

/** For messages and states. */
export function serverName(servers: readonly Address[], name?: string): string {
  const where = servers
    .map((server) =>
      'path' in server ? server.path : `${server.host.includes(':') ? `[${server.host}]` : server.host}:${server.port}`,
    )
    .join(',');
  return name === undefined ? where : `${name} of ${where}`;
}
