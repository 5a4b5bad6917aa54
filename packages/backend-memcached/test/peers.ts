/** Other processes, told what to do by messages. They run the built packages: `npm test` builds them first. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach } from '@jest/globals';

const FIXTURE = fileURLToPath(new URL('./fixtures/peer.mjs', import.meta.url));
const PATIENCE_MS = 20_000;

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly began?: string;
  readonly ready?: true;
}

const running = new Set<Peer>();
afterEach(async () => {
  await Promise.all([...running].map((peer) => peer.kill()));
});

export class Peer {
  readonly #child: ChildProcess;
  readonly #messages: Message[] = [];
  readonly #look = new Set<() => void>();
  #calls = 0;
  output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    const look = (): void => {
      for (const each of [...this.#look]) each();
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

  static async start(url: string, options: object = {}): Promise<Peer> {
    const peer = new Peer(fork(FIXTURE, { execArgv: [], silent: true }));
    running.add(peer);
    await peer.#message(({ ready }) => ready === true);
    await peer.call('open', url, options);
    return peer;
  }

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

  /** Tells it to go, and does not wait for an answer. The code it exits with, in time. */
  async leave(close: boolean): Promise<number | null> {
    this.#child.send({ id: 0, call: 'leave', args: [close] });
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
        this.#look.delete(look);
      };
      const look = (): void => {
        const at = this.#messages.findIndex(fits);
        if (at >= 0) {
          end();
          resolve(this.#messages.splice(at, 1)[0] as Message);
        } else if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
          end();
          reject(new Error(`the process has ended: ${this.output}`));
        }
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`no message within ${PATIENCE_MS} ms: ${this.output}`));
      }, PATIENCE_MS);
      this.#look.add(look);
      look();
    });
  }
}
