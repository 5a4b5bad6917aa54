/** Cache servers of this machine: found on the PATH, started for the benchmark, ended with it. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { atExit } from '../at-exit.js';
import { Skip } from '../harness.js';

export interface Addresses {
  /** Of 127.0.0.1. */
  readonly port: number;
  /** Path of a socket. */
  readonly path: string;
}

const READY_MS = 5000;

/** @throws Skip where there is no redis-server. */
export async function startRedis(): Promise<Addresses> {
  const server = found('redis-server');
  const [port, path] = [await freePort(), socketPath()];
  const network = ['--bind', '127.0.0.1', '--port', String(port), '--unixsocket', path];
  const child = start(server, [...network, '--save', '', '--appendonly', 'no', '--daemonize', 'no']);
  await ready(child, [port, path]);
  return { port, path };
}

/** Two servers: one listens either on a port or on a socket. @throws Skip where there is no memcached. */
export async function startMemcached(): Promise<Addresses> {
  const server = found('memcached');
  const [port, path] = [await freePort(), socketPath()];
  const user = process.getuid?.() === 0 ? ['-u', 'root'] : []; // as root it wants to be told
  await ready(start(server, ['-l', '127.0.0.1', '-p', String(port), '-U', '0', ...user]), [port]);
  await ready(start(server, ['-s', path, ...user]), [path]);
  return { port, path };
}

/** Of those that are installed. */
export function serverVersions(): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const name of ['redis-server', 'memcached']) {
    const path = onPath(name);
    const said = path === undefined ? '' : spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout;
    const version = /\d+\.\d+\.\d+/.exec(said)?.[0];
    if (version !== undefined) versions[name] = version;
  }
  return versions;
}

/** The path of a program; undefined where there is none. */
export function onPath(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // the next one
    }
  }
  return undefined;
}

function found(name: string): string {
  const path = onPath(name);
  if (path === undefined) throw new Skip(`there is no ${name} on the PATH`);
  return path;
}

function start(server: string, options: readonly string[]): ChildProcess {
  const child = spawn(server, options, { stdio: 'ignore' });
  atExit(() => child.kill('SIGKILL')); // they keep nothing
  child.unref();
  return child;
}

/** Once all addresses take connections. @throws Error where the server ends, or is not ready in time. */
async function ready(child: ChildProcess, addresses: readonly (number | string)[]): Promise<void> {
  const deadline = performance.now() + READY_MS;
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  for (const address of addresses) {
    while (!(await answers(address))) {
      if (failure !== undefined) throw failure;
      if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`);
      if (performance.now() > deadline) throw new Error(`${child.spawnfile} does not listen on ${address}`);
      await sleep(10);
    }
  }
}

function answers(address: number | string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = typeof address === 'number' ? createConnection(address, '127.0.0.1') : createConnection(address);
    const end = (open: boolean): void => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

function socketPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'stockpile-bench-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'socket');
}
