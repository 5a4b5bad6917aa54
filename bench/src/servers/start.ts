/** Cache servers of this machine, started for the benchmark and ended with it; skipped where they are not installed. */

import {
  type RunningServer,
  ServerMissingError,
  startRedis as start,
  startMemcached as startOne,
} from '@stockpile/servers';
import { exitInTime } from '../at-exit.js';
import { Skip } from '../harness.js';
import type { Way } from './texts.js';

export { onPath, serverVersions } from '@stockpile/servers';

export interface Addresses {
  /** Of 127.0.0.1. */
  readonly port: number;
  /** Path of a socket. */
  readonly path: string;
}

/** One way to a server, as clients of Redis take it. */
export type Place = { readonly path: string } | { readonly host: string; readonly port: number };

export function places({ path, port }: Addresses): Readonly<Record<Way, Place>> {
  return { 'unix socket': { path }, TCP: { host: '127.0.0.1', port } };
}

/** @throws Skip where there is no redis-server. */
export async function startRedis(): Promise<Addresses> {
  return orSkip(() => start());
}

/** A connection stays with one thread of memcached, and one nearer by answers faster: all contenders are to have the same. */
const ONE_THREAD = ['-t', '1'];

/** Two servers: one listens either on a port or on a socket. @throws Skip where there is no memcached. */
export async function startMemcached(): Promise<Addresses> {
  const { port } = await orSkip(() => startOne({ args: ONE_THREAD }));
  const { path } = await orSkip(() => startOne({ args: ONE_THREAD, unix: true }));
  return { port, path };
}

/** A server ends with an exit of this process; also where it begins now and is not ready. */
async function orSkip(start: () => Promise<RunningServer>): Promise<RunningServer> {
  exitInTime();
  try {
    return await start();
  } catch (error) {
    throw error instanceof ServerMissingError ? new Skip(error.message) : error;
  }
}
