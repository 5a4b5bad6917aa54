/** The other processes of a comparison: forked, told what to do, ended by their handles. */

import { type ChildProcess, fork } from 'node:child_process';
import { atExit } from '../at-exit.js';

/** What a helper is asked, and what it answers. */
export interface Jobs {
  /** Reads `keys` keys for `ms`, beginning at `at` (ns of the monotonic clock). */
  read: { ask: { segment: string; at: string; ms: number }; answer: { reads: number; ns: number } };
  /** Notes when it hears of keys, until all `events` are there. */
  listen: { ask: { segment: string; events: number }; answer: { heard: string[] } };
}
export type Job = keyof Jobs;

export interface Helper {
  /** One at a time. `began`: when the helper says that it has begun. */
  ask<J extends Job>(job: J, ask: Jobs[J]['ask'], began?: () => void): Promise<Jobs[J]['answer']>;
  stop(): void;
}

/** Messages of a helper. */
export type Told = { readonly began: true } | { readonly answer: unknown };

export async function startHelper(): Promise<Helper> {
  const child = fork(new URL('./helper-process.js', import.meta.url), { execArgv: [] });
  atExit(() => child.kill('SIGKILL'));
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('error', reject);
    child.once('exit', (code) => reject(ended(code)));
  });
  return {
    ask: (job, ask, began) => answerOf(child, { job, ask }, began) as never,
    stop: () => void child.kill(),
  };
}

function answerOf(child: ChildProcess, question: object, began?: () => void): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => reject(ended(code));
    const onMessage = (told: Told): void => {
      if ('began' in told) began?.();
      else {
        child.off('message', onMessage).off('exit', onExit);
        resolve(told.answer);
      }
    };
    child.on('message', onMessage).once('exit', onExit);
    child.send(question);
  });
}

function ended(code: number | null): Error {
  return new Error(`a helper process ended with ${code}`);
}
