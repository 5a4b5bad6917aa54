/** Other processes on a server, told what to do by messages. They run the built package: `npm test` builds it first. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const FIXTURE = fileURLToPath(new URL('../fixtures/peer.mjs', import.meta.url));
const PATIENCE_MS = 20_000;

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly began?: string;
}

const running = new Set<Peer>();

export class Peer {
  readonly #child: ChildProcess;
  readonly #messages: Message[] = [];
  readonly #waiting = new Set<() => void>();
  #calls = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message: Message) => {
      this.#messages.push(message);
      for (const look of [...this.#waiting]) look();
    });
    child.on('exit', () => {
      for (const look of [...this.#waiting]) look();
    });
  }

  static async start(): Promise<Peer> {
    const peer = new Peer(fork(FIXTURE, { execArgv: [], serialization: 'advanced' }));
    running.add(peer);
    await peer.#until((message) => 'ready' in message);
    return peer;
  }

  /** Calls a function of the fixture. */
  async call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#calls;
    this.#child.send({ id, call: name, args });
    const { result, error } = await this.#until((message) => message.id === id);
    if (error !== undefined) throw new Error(error);
    return result;
  }

  /** Resolves when its creator of `key` runs. */
  async began(key: string): Promise<void> {
    await this.#until((message) => message.began === key);
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
  #until(fits: (message: Message) => boolean): Promise<Message> {
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
          reject(new Error(`the peer ended with ${this.#child.exitCode ?? this.#child.signalCode}`));
        }
      };
      const timer = setTimeout(() => {
        end();
        reject(new Error(`the peer gave no answer in ${PATIENCE_MS} ms`));
      }, PATIENCE_MS);
      this.#waiting.add(look);
      look();
    });
  }
}

export async function startPeers(count: number): Promise<Peer[]> {
  return Promise.all(Array.from({ length: count }, () => Peer.start()));
}

export async function killPeers(): Promise<void> {
  await Promise.all([...running].map((peer) => peer.kill()));
}
