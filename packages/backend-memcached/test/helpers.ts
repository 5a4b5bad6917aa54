/** Drivers and servers of one test file, all ended with it. */

import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, afterEach } from '@jest/globals';
import type { BackendContext } from '@stockpile/core';
import { type MemcachedOptions, type RunningServer, startMemcached } from '@stockpile/servers';
import { type MemcachedArguments, MemcachedBackend } from '../src/index.js';

const servers: RunningServer[] = [];
const drivers: MemcachedBackend[] = [];

export async function start(options?: MemcachedOptions): Promise<RunningServer> {
  const server = await startMemcached(options);
  servers.push(server);
  return server;
}

/** Returns when every thread of the server has stopped: a signal takes a moment. */
export async function standStill(server: RunningServer): Promise<void> {
  server.pause();
  const threads = `/proc/${server.pid}/task`;
  const isStopped = (thread: string): boolean => /\) [Tt] /.test(readFileSync(`${threads}/${thread}/stat`, 'utf8'));
  while (!readdirSync(threads).every(isStopped)) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The address as a user writes it. */
export function urlOf({ host, port, path }: RunningServer): string {
  if (port === 0) return path;
  return host === '::1' ? `[::1]:${port}` : `${host}:${port}`;
}

/** A driver that is closed after the test. */
export function open(options: MemcachedArguments, context?: Partial<BackendContext>): MemcachedBackend {
  const driver = new MemcachedBackend(options, context);
  drivers.push(driver);
  return driver;
}

afterEach(async () => {
  await Promise.all(drivers.splice(0).map((driver) => driver.close()));
});

afterAll(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
});
