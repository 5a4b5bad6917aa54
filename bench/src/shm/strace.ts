/** Counts system calls between marks that a traced process makes: it asks for files that are not there. */

import { existsSync } from 'node:fs';

export interface Phase {
  /** Of all threads. */
  readonly calls: number;
  readonly seconds: number;
}

const MARK = '/stockpile-bench-phase/';

/** In the traced process: what follows belongs to `phase`. */
export function mark(phase: string): void {
  existsSync(MARK + phase);
}

/** The phases of a log of `strace -f -ttt`, up to the last mark. */
export function phasesIn(log: string): Map<string, Phase> {
  const phases = new Map<string, Phase>();
  let current: { name: string; since: number; calls: number } | undefined;
  for (const line of log.split('\n')) {
    const [, time, what] = /^(?:\d+ +)?(\d+\.\d+) (.*)$/.exec(line) ?? [];
    if (time === undefined || what === undefined) continue;
    const name = what.includes(MARK) ? /"[^"]*\/([^"]*)"/.exec(what)?.[1] : undefined;
    if (name !== undefined) {
      if (current !== undefined) {
        phases.set(current.name, { calls: current.calls, seconds: Number(time) - current.since });
      }
      current = { name, since: Number(time), calls: 0 };
    } else if (current !== undefined && /^[a-z]\w*\(/.test(what)) current.calls++; // no signals, ends, resumed calls
  }
  return phases;
}
