/**
 * Further processes of a test, told what to do by messages: `{ id, call, args }` is answered with `{ id, result }` or
 * `{ id, error }`. They say `{ ready: true }` first; `{ began: key }` and `{ event }` come by themselves. They run the
 * built packages: `npm test` builds them before.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

const PATIENCE_MS = 20_000;

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly ready?: true;
  readonly began?: string;
  readonly event?: unknown;
}

const running = new Set<Peer>();

export class Peer {
  readonly #child: ChildProcess;
  readonly #messages: Message[] = [];
  readonly #waiting = new Set<() => void>();
  #calls = 0;
  /** All that it has printed. */
  output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    const look = (): void => {
      for (const each of [...this.#waiting]) each();
    };
    child.on('message', (message: Message) => {
      this.#messages.push(message);
      look();
    });
    child.on('exit', look);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk;
      });
    }
  }

  /** `program`: a file that answers as said above. */
  static async start(program: URL): Promise<Peer> {
    const peer = new Peer(fork(program, { execArgv: [], serialization: 'advanced', silent: true }));
    running.add(peer);
    await peer.#message(({ ready }) => ready === true);
    return peer;
  }

  /** Calls a function of the program. */
  async call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#calls;
    this.#child.send({ id, call: name, args });
    const { result, error } = await this.#message((message) => message.id === id);
    if (error !== undefined) throw new Error(error);
    return result;
  }

  /** Resolves when its creator of `key` runs. */
  async began(key: string): Promise<void> {
    await this.#message((message) => message.began === key);
  }

  /** Its next event that was not taken yet. */
  async event(): Promise<unknown> {
    return (await this.#message((message) => message.event !== undefined)).event;
  }

  /** Calls a function after which it is to end by itself. The code it exits with; `null`: it had to be killed. */
  async leave(name: string, ...args: readonly unknown[]): Promise<number | null> {
    this.#child.send({ id: 0, call: name, args });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), PATIENCE_MS / 4);
    const [code] = await once(this.#child, 'exit');
    clearTimeout(timer);
    return code;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    running.delete(this);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  /** The first message that fits, which is taken. */
  #message(fits: (message: Message) => boolean): Promise<Message> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(look);
      };
      const look = (): void => {
        const at = this.#messages.findIndex(fits);
        if (at >= 0) {
          end();
          resolve(this.#messages.splice(at, 1)[0] as Message);
        } else if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
          end();
          reject(new Error(`the peer ended with ${this.#child.exitCode ?? this.#child.signalCode}: ${this.output}`));
        }
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`the peer gave no answer in ${PATIENCE_MS} ms: ${this.output}`));
      }, PATIENCE_MS);
      this.#waiting.add(look);
      look();
    });
  }
}

/** Ends all that still run: for `afterEach`. */
export async function killPeers(): Promise<void> {
  await Promise.all([...running].map((peer) => peer.kill()));
}
