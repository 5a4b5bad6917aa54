/** The life of a server process: started on a free port, ready, paused, killed, restarted, stopped. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { atExit } from './at-exit.js';
import { freePort } from './free-port.js';
import { onPath } from './on-path.js';

/** A server that this process has started. It is reachable from this machine only, and stores nothing on disk. */
export interface RunningServer {
  readonly host: '127.0.0.1' | '::1';
  /** 0 where it listens only on `path`. */
  readonly port: number;
  /** Of its unix socket; nothing listens there where the server has only a port. */
  readonly path: string;
  /** Of the process now: a restart changes it. */
  readonly pid: number;
  /** PEM of the certificate to trust, where the port speaks TLS. */
  readonly ca?: string;
  /** The process stands still (SIGSTOP): connections are still taken by the kernel, but nothing answers. */
  pause(): void;
  /** Ends the pause (SIGCONT). */
  resume(): void;
  /** Ends the process at once (SIGKILL), also a paused one. Resolves when it is gone; its port refuses then. */
  kill(): Promise<void>;
  /** Kills the process if it runs, and starts it anew on the same port and path, empty. Resolves when it answers. */
  restart(): Promise<void>;
  /** Kills the process and removes its files: the end. Again: nothing. */
  stop(): Promise<void>;
}

/** Where a server is to listen, and what is its own. */
export interface Place {
  readonly port: number;
  /** One more that is free, for servers that need two. */
  readonly secondPort: number;
  readonly path: string;
  /** A file that the server may write when it listens. It is gone before each start. */
  readonly listening: string;
  /** A temporary folder with mode 700, for files of the server. */
  readonly folder: string;
}

/** How a kind of server is started. */
export interface Recipe {
  /** Path of the program. */
  readonly program: string;
  readonly host?: '127.0.0.1' | '::1';
  /** Without a port: it listens only on its path. */
  readonly noPort?: boolean;
  readonly ca?: string;
  /** Added to the environment of this process. */
  readonly env?: (place: Place) => Record<string, string>;
  args(place: Place): readonly string[];
  /** Files that the first start needs; a restart finds them as the server has left them. */
  readonly files?: (place: Place) => Record<string, string>;
  /** Whether this very process answers, not another one that holds the port. A rejection counts as "not yet". */
  ready(place: Place): Promise<boolean>;
  /** Ends what belongs to the server, after it was stopped for good. */
  readonly release?: () => void;
}

/** ms from the start of a process to its first answer, on a loaded machine. */
const READY_MS = 15_000;
const POLL_MS = 10;
/** Ports that are tried where others take them first. */
const MOST_PORTS = 20;
const LAST_LINES = 8;

/** @throws Error with the last lines of the server's output where it ends or does not answer in time. */
export async function startServer(recipe: Recipe): Promise<RunningServer> {
  const folder = mkdtempSync(join(tmpdir(), 'stockpile-'));
  const [path, listening] = [join(folder, 'socket'), join(folder, 'listening')];
  for (let tries = 1; ; tries++) {
    const port = recipe.noPort ? 0 : await freePort();
    const secondPort = await freePort();
    const server = new ServerProcess(recipe, { port, secondPort, path, listening, folder });
    try {
      await server.start();
      return server;
    } catch (error) {
      const taken = error instanceof AddressInUseError && tries < MOST_PORTS;
      if (!taken) {
        await server.stop();
        throw error;
      }
      await server.kill();
    }
  }
}

class AddressInUseError extends Error {}

class ServerProcess implements RunningServer {
  readonly host: '127.0.0.1' | '::1';
  readonly port: number;
  readonly path: string;
  readonly ca?: string;
  readonly #recipe: Recipe;
  readonly #place: Place;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #failure: Error | undefined;
  #stopped = false;
  readonly #forget: () => void;

  constructor(recipe: Recipe, place: Place) {
    this.host = recipe.host ?? '127.0.0.1';
    this.port = place.port;
    this.path = place.path;
    if (recipe.ca !== undefined) this.ca = recipe.ca;
    this.#recipe = recipe;
    this.#place = place;
    this.#forget = atExit(() => {
      this.#signal('SIGKILL');
      rmSync(place.folder, { recursive: true, force: true });
    });
    for (const [name, text] of Object.entries(recipe.files?.(place) ?? {})) {
      writeFileSync(join(place.folder, name), text, { mode: 0o600 });
    }
  }

  get pid(): number {
    if (this.#child?.pid === undefined) throw new Error(`${this.#name} was not started`);
    return this.#child.pid;
  }

  async start(): Promise<void> {
    this.#spawn();
    const deadline = performance.now() + READY_MS;
    while (!(await this.#recipe.ready(this.#place).catch(() => false))) {
      if (this.#failure !== undefined) throw this.#failure;
      const { exitCode = null, signalCode = null } = this.#child ?? {};
      if (exitCode !== null || signalCode !== null) throw this.#ended(exitCode ?? signalCode);
      if (performance.now() > deadline) {
        throw new Error(`${this.#name} did not answer within ${READY_MS} ms; its last output:\n${this.#lastLines()}`);
      }
      await sleep(POLL_MS);
    }
  }

  pause(): void {
    this.#signal('SIGSTOP');
  }

  resume(): void {
    this.#signal('SIGCONT');
  }

  async kill(): Promise<void> {
    this.#child?.ref(); // somebody waits now
    this.#signal('SIGKILL');
    await this.#exited;
  }

  async restart(): Promise<void> {
    if (this.#stopped) throw new Error(`${this.#name} was stopped for good; start another one`);
    await this.kill();
    await this.start();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    await this.kill();
    this.#recipe.release?.();
    rmSync(this.#place.folder, { recursive: true, force: true });
    this.#forget();
  }

  get #name(): string {
    return `${basename(this.#recipe.program)} (${this.port === 0 ? this.path : `${this.host}:${this.port}`})`;
  }

  get #log(): string {
    return join(this.#place.folder, 'log');
  }

  #spawn(): void {
    const { program, env, args } = this.#recipe;
    for (const left of [this.path, this.#place.listening]) rmSync(left, { force: true });
    // the output goes to a file, not through pipes: these would keep this process alive, and want to be read
    const log = openSync(this.#log, 'w', 0o600);
    const [command, ...rest] = [...dyingWithUs(), program, ...args(this.#place)] as [string, ...string[]];
    const child = spawn(command, rest, {
      cwd: this.#place.folder,
      env: { ...process.env, ...env?.(this.#place) },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    child.unref();
    this.#child = child;
    this.#failure = undefined;
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', (error) => {
        this.#failure = error;
        resolve();
      });
    });
  }

  #signal(signal: NodeJS.Signals): void {
    const child = this.#child;
    if (child?.pid !== undefined && child.exitCode === null && child.signalCode === null) child.kill(signal);
  }

  #ended(by: number | NodeJS.Signals | null): Error {
    const output = this.#lastLines();
    const message = `${this.#name} ended with ${by}; its last output:\n${output}`;
    return /address (already )?in use/i.test(output) ? new AddressInUseError(message) : new Error(message);
  }

  #lastLines(): string {
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  }
}

let wrapper: readonly string[] | undefined;

/**
 * A command in front of the server's own, through which the kernel kills the server as soon as this process is gone,
 * even if that was by SIGKILL: `prctl(PR_SET_PDEATHSIG)`. Empty on systems that lack it; there, a killed process
 * leaves its servers behind.
 */
function dyingWithUs(): readonly string[] {
  if (wrapper === undefined) {
    const setpriv = onPath('setpriv');
    const command = setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'KILL'];
    const [program, ...args] = command;
    const works = program !== undefined && spawnSync(program, [...args, 'true']).status === 0;
    wrapper = works ? command : [];
  }
  return wrapper;
}
