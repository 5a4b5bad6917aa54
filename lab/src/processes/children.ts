/** Processes that an experiment has started, which do what messages tell them. */

import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What the scripts beside this file answer with, and what they tell by themselves. */
export interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: ChildError;
  readonly event?: string;
  readonly [more: string]: unknown;
}

export interface ChildError {
  readonly name: string;
  readonly code: string | undefined;
  readonly message: string;
}

export interface StartOptions {
  readonly args?: readonly string[];
  /** For Node, before the script. */
  readonly execArgv?: readonly string[];
  /** A command that starts Node: `['unshare', '-p', '-f']`. */
  readonly through?: readonly string[];
  readonly uid?: number;
  /** Default: until it says that it is ready. */
  readonly wait?: boolean;
}

/** How it ended. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a process answers with where a call has failed. */
export class CallError extends Error {
  readonly code: string | undefined;

  constructor({ name, code, message }: ChildError) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

const PATIENCE_MS = 20_000;

export class Child {
  readonly ended: Promise<End>;
  /** What it wrote there. */
  stdout = '';
  stderr = '';
  readonly #process: ChildProcess;
  readonly #messages: Message[] = [];
  readonly #looking = new Set<() => void>();
  #end: End | undefined;
  #calls = 0;

  /** Starts one of the scripts beside this file. */
  static async start(script: string, options: StartOptions = {}): Promise<Child> {
    const { args = [], execArgv = [], through = [], uid, wait = true } = options;
    const path = fileURLToPath(new URL(`${script}.js`, import.meta.url));
    const [command = process.execPath, ...rest] = [...through, process.execPath, ...execArgv, path, ...args];
    const spawnOptions: SpawnOptions = { stdio: ['ignore', 'pipe', 'pipe', 'ipc'], serialization: 'advanced' };
    const child = new Child(
      spawn(command, rest, uid === undefined ? spawnOptions : { ...spawnOptions, uid, gid: uid }),
    );
    if (wait) await child.event('ready');
    return child;
  }

  private constructor(child: ChildProcess) {
    this.#process = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    child.on('message', (message: Message) => {
      this.#messages.push(message);
      for (const look of [...this.#looking]) look();
    });
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#end = { code, signal };
        for (const look of [...this.#looking]) look();
        resolve(this.#end);
      };
      child.on('exit', end);
      child.on('error', () => end(null, null));
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isAlive(): boolean {
    return this.#end === undefined;
  }

  /** Calls a function of the script. Rejects with a `CallError`, or if the process ends. */
  call<T = unknown>(name: string, ...args: readonly unknown[]): Promise<T> {
    return this.callFor<T>(PATIENCE_MS, name, ...args);
  }

  /** The same, with patience for so many ms. */
  async callFor<T = unknown>(patience: number, name: string, ...args: readonly unknown[]): Promise<T> {
    const id = ++this.#calls;
    this.#send({ id, call: name, args });
    const { result, error } = await this.next((message) => message.id === id, name, patience);
    if (error !== undefined) throw new CallError(error);
    return result as T;
  }

  /** The same, for calls that are meant to fail: the error, undefined where there is none. */
  async failure(name: string, ...args: readonly unknown[]): Promise<CallError | undefined> {
    try {
      await this.call(name, ...args);
      return undefined;
    } catch (error) {
      if (error instanceof CallError) return error;
      throw error;
    }
  }

  /** What it tells by itself. */
  event(name: string, patience?: number): Promise<Message> {
    return this.next((message) => message.event === name, `event ${name}`, patience);
  }

  /** All messages of a kind that have come so far, taken away. */
  taken(name: string): Message[] {
    const found = this.#messages.filter((message) => message.event === name);
    for (const message of found) this.#messages.splice(this.#messages.indexOf(message), 1);
    return found;
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  /** It then ends by itself. */
  disconnect(): void {
    if (this.#process.connected) this.#process.disconnect();
  }

  /** Ends it, and waits for its end. */
  async kill(): Promise<void> {
    if (this.#end === undefined) this.#process.kill('SIGKILL');
    await this.ended;
  }

  /** The first message that fits, which is taken away. */
  next(fits: (message: Message) => boolean, what: string, patience: number = PATIENCE_MS): Promise<Message> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#looking.delete(look);
      };
      const look = (): void => {
        const at = this.#messages.findIndex(fits);
        if (at >= 0) {
          done();
          resolve(this.#messages.splice(at, 1)[0] as Message);
        } else if (this.#end !== undefined) {
          done();
          const { code, signal } = this.#end;
          reject(new Error(`${what}: process ${this.pid} ended with ${signal ?? code} ${this.stderr}`.trim()));
        }
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`${what}: process ${this.pid} has not answered for ${patience} ms ${this.stderr}`.trim()));
      }, patience);
      this.#looking.add(look);
      look();
    });
  }

  /** To a process that has just ended nothing is sent; who waits for its answer hears of the end. */
  #send(message: object): void {
    if (this.#process.connected) this.#process.send(message, () => {});
  }
}
