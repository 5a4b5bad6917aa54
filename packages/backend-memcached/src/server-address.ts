/** Where a server is, from the text that the application wrote. */

import { ValidationError } from '@stockpile/core';

export interface ServerAddress {
  /** `host:port` or the path: for errors, states and the ring. No password. */
  readonly label: string;
  /** Without the brackets of IPv6. Absent with `path`. */
  readonly host?: string;
  readonly port?: number;
  /** Of a unix socket. */
  readonly path?: string;
  readonly user?: string;
  readonly password?: string;
  /** Share of the keys. */
  readonly weight: number;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

const DEFAULT_PORT = 11211;
const MOST_WEIGHT = 100;
const HELP = "use 'host:port', '[::1]:port', 'memcached://user:password@host:port' or the path of a unix socket";

/** Errors do not show the text, since it may hold a password. */
export function parseServer(given: unknown, credentials?: Credentials, weight?: unknown): ServerAddress {
  if (typeof given !== 'string' || given.trim() === '')
    throw new ValidationError(`url: a server must be a text; ${HELP}`);
  const text = given.trim();
  const common = (own: unknown): { weight: number } & Partial<Credentials> => ({
    ...credentials,
    weight: weightOf(own ?? weight ?? 1),
  });
  const path = text.replace(/^(unix|memcached):\/\/(?=\/)/, '');
  if (path.startsWith('/')) {
    if (path.includes('\0')) throw new ValidationError('url: a path must not contain NUL characters');
    return { label: path, path, ...common(undefined) };
  }
  const hasScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  let url: URL;
  try {
    url = new URL(hasScheme ? text : `memcached://${text}`);
  } catch {
    throw new ValidationError(`url: not the address of a server; ${HELP}`);
  }
  if (url.protocol !== 'memcached:') {
    throw new ValidationError(`url: '${url.protocol}//' is no scheme of memcached; ${HELP}`);
  }
  if (url.hostname === '' || (url.pathname !== '' && url.pathname !== '/') || url.hash !== '') {
    throw new ValidationError(`url: a server is a host and a port, and no more; ${HELP}`);
  }
  const host = url.hostname.toLowerCase();
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  if (port === 0) throw new ValidationError('url: a port is a number from 1 to 65535, not 0');
  if ((url.username === '') !== (url.password === '')) {
    throw new ValidationError(`url: a user and a password belong together; ${HELP}`);
  }
  const own = url.username === '' ? undefined : { user: decoded(url.username), password: decoded(url.password) };
  return {
    label: `${host}:${port}`,
    host: host.replace(/^\[|\]$/g, ''),
    port,
    ...common(url.searchParams.get('weight') ?? undefined),
    ...own,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new ValidationError(
      "url: user and password must be percent-encoded: '%' is '%25', '@' is '%40', ':' is '%3A'",
    );
  }
}

function weightOf(given: unknown): number {
  const weight = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  if (typeof weight === 'number' && Number.isInteger(weight) && weight >= 1 && weight <= MOST_WEIGHT) return weight;
  throw new ValidationError(`weight: must be a whole number from 1 to ${MOST_WEIGHT}, not ${String(given)}`);
}
