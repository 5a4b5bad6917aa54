/** A worker process, as the demo sees it. */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { duration } from './format.js';
import type { Reply, Task, TaskName, Tasks } from './worker-protocol.js';

const FILE = fileURLToPath(new URL('./worker.js', import.meta.url));
/** How long a worker may take to leave after the channel has closed, ms. */
const LEAVE_MS = 3000;
const alive = new Set<WorkerProcess>();

interface Asked {
  readonly resolve: (answer: Tasks[TaskName]['answer']) => void;
  readonly reject: (error: Error) => void;
  readonly onProgress: ((done: number) => void) | undefined;
}

export class WorkerProcess {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #asked: Asked | undefined;
  #failure: Error | undefined;

  /** `name` is what its errors call it. */
  constructor(name: string) {
    this.#name = name;
    const child = fork(FILE, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#child = child;
    alive.add(this);
    child.on('message', (reply: Reply) => this.#hear(reply));
    this.#ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#fail(`ended early (${signal ?? `exit code ${code}`})`);
        resolve();
      });
      child.on('error', (error) => {
        this.#fail(error.message);
        if (child.pid === undefined) resolve(); // it never started, so it will not exit
      });
    });
  }

  /** Rejects where the worker fails, ends, or does not answer within `limit` ms. One task at a time. */
  async ask<N extends TaskName>(
    name: N,
    details: Tasks[N]['details'],
    limit: number,
    onProgress?: (done: number) => void,
  ): Promise<Tasks[N]['answer']> {
    if (this.#child.pid === undefined) await this.#ended; // it could not be started: the reason is on its way
    if (this.#failure !== undefined) throw this.#failure;
    const timer = setTimeout(() => this.#fail(`did not answer within ${duration(limit)}`), limit);
    try {
      const answer = await new Promise<Tasks[TaskName]['answer']>((resolve, reject) => {
        this.#asked = { resolve, reject, onProgress };
        this.#child.send({ name, details } as Task, (error) => {
          // it is going: how it ended says more than that it could not be told
          if (error) void this.#ended.then(() => this.#fail(error.message));
        });
      });
      return answer as Tasks[N]['answer'];
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the channel, which ends the worker, and waits until it is gone. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), LEAVE_MS);
    await this.#ended;
    clearTimeout(timer);
    alive.delete(this);
  }

  #hear(reply: Reply): void {
    if (reply.kind === 'progress') this.#asked?.onProgress?.(reply.done);
    else if (reply.kind === 'answer') this.#asked?.resolve(reply.answer);
    else this.#fail(reply.message);
  }

  #fail(what: string): void {
    this.#failure ??= new Error(`${this.#name}: ${what}`);
    this.#asked?.reject(this.#failure);
  }
}

/** Ends all that are alive: from then on nobody stores anything. */
export async function endWorkers(): Promise<void> {
  await Promise.all([...alive].map((worker) => worker.end()));
}
