/** Cache servers of this machine, started for the benchmark and ended with it; skipped where they are not installed. */

import {
  type RunningServer,
  ServerMissingError,
  startRedis as start,
  startMemcached as startOne,
} from '@stockpile/servers';
import { Skip } from '../harness.js';

export { onPath, serverVersions } from '@stockpile/servers';

export interface Addresses {
  /** Of 127.0.0.1. */
  readonly port: number;
  /** Path of a socket. */
  readonly path: string;
}

/** @throws Skip where there is no redis-server. */
export async function startRedis(): Promise<Addresses> {
  return orSkip(start());
}

/** Two servers: one listens either on a port or on a socket. @throws Skip where there is no memcached. */
export async function startMemcached(): Promise<Addresses> {
  const { port } = await orSkip(startOne());
  const { path } = await orSkip(startOne({ unix: true }));
  return { port, path };
}

async function orSkip(starting: Promise<RunningServer>): Promise<RunningServer> {
  try {
    return await starting;
  } catch (error) {
    throw error instanceof ServerMissingError ? new Skip(error.message) : error;
  }
}
