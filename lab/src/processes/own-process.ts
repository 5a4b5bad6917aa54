/** What a process can tell of itself. */

import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';

const text = Buffer.alloc(100);
const schedstat = openSchedstat();

function openSchedstat(): number | undefined {
  try {
    return openSync('/proc/self/schedstat', 'r');
  } catch {
    return undefined;
  }
}

/** ms for which the main thread was ready to run and had no cpu; 0 where the system does not tell. */
export function waitedForCpu(): number {
  if (schedstat === undefined) return 0;
  const length = readSync(schedstat, text, 0, text.length, 0);
  return Number(text.toString('latin1', 0, length).split(' ')[1]) / 1e6;
}

/** ms of a clock that stands still while the main thread is ready to run and has no cpu. */
export function ownTime(): number {
  return performance.now() - waitedForCpu();
}

/** Sockets that are open, in use or not; 0 where the system does not tell. */
export function openSockets(): number {
  let count = 0;
  for (const name of descriptors()) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`).startsWith('socket:')) count++;
    } catch {
      // closed meanwhile
    }
  }
  return count;
}

function descriptors(): string[] {
  try {
    closeSync(openSync('/proc/self/fd', 'r'));
    return readdirSync('/proc/self/fd');
  } catch {
    return [];
  }
}

/** Calls `tell` for everything that a library must leave to nobody: failures that nobody handles, and warnings. */
export function watchOwnProcess(tell: (problem: string) => void): void {
  const on = (event: string): void => void process.on(event, (error) => tell(`${event}: ${describe(error)}`));
  for (const event of ['unhandledRejection', 'uncaughtException', 'warning']) on(event);
}

export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? String(error)).split('\n').slice(0, 3).join(' ') : String(error);
}
