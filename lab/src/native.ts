/** An experiment in C++: a harness in lab/native that works on the engine itself and tells of it in one line of JSON. */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CannotCompile, compile, type Watch } from './compile.js';
import type { Experiment, Outcome, RunOptions } from './experiment.js';

/** Where the real traces lie; in a checkout of the project's machines beside the repository. */
const TRACES = process.env.STOCKPILE_TRACES ?? fileURLToPath(new URL('../../../shared/traces', import.meta.url));

export interface Harness {
  readonly name: string;
  readonly describe: string;
  /** Files of lab/native; the first gives the program its name. */
  readonly sources: readonly string[];
  readonly watch?: Watch;
  /** After so many minutes of the long form it counts as hung; the short form has two. */
  readonly minutes: number;
}

interface Report {
  readonly injected: string;
  readonly checked: string;
  readonly worstStallMs: number;
  readonly notes: string;
  readonly skipped: string;
  readonly failed: number;
  readonly failures: readonly string[];
}

export function native(harness: Harness): Experiment {
  const { name, describe } = harness;
  return { name, describe, run: (options) => run(harness, options) };
}

async function run(harness: Harness, options: RunOptions): Promise<Outcome> {
  if (process.platform !== 'linux') return skipped('the engine is for Linux');
  let program: string;
  try {
    program = await compile(harness.sources, harness.watch ?? 'none');
  } catch (error) {
    if (error instanceof CannotCompile) return skipped(error.message);
    throw error;
  }
  const directory = makeDirectory();
  const removeIt = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', removeIt); // also when the lab is interrupted
  try {
    const args = ['--directory', directory, '--traces', TRACES];
    if (options.short) args.push('--short');
    if (options.seconds !== undefined) args.push('--seconds', String(options.seconds));
    const limitMs = 60_000 * (options.short ? 2 : harness.minutes) + 2000 * (options.seconds ?? 0);
    let ended = await execute([program, ...args], limitMs, options.log);
    // ThreadSanitizer of older compilers does not bear the address space of newer kernels
    if (ended.lines.some((line) => line.includes('unexpected memory mapping'))) {
      ended = await execute(['setarch', '-R', program, ...args], limitMs, options.log);
    }
    return outcomeOf(ended);
  } finally {
    process.removeListener('exit', removeIt);
    removeIt();
  }
}

function outcomeOf({ lines, code, why }: Ended): Outcome {
  const last = lines.findLast((line) => line.startsWith('{"injected"'));
  if (last === undefined) return { verdict: 'fail', summary: why, details: lines.slice(-60) };
  const report = JSON.parse(last) as Report;
  if (report.skipped !== '') return skipped(report.skipped);
  const stall = report.worstStallMs >= 0 ? [`worst stall ${report.worstStallMs.toFixed(1)} ms`] : [];
  const notes = report.notes === '' ? [] : [report.notes];
  const summary = [report.injected, report.checked, ...stall, ...notes].join(' | ');
  if (code === 0 && report.failed === 0) return { verdict: 'pass', summary, details: [] };
  const rest = report.failed > report.failures.length ? [`and ${report.failed - report.failures.length} more`] : [];
  const failures = report.failed > 0 ? [...report.failures, ...rest] : [why];
  // what the sanitizers print
  const others = lines.filter((line) => line !== last).slice(0, 80);
  return { verdict: 'fail', summary, details: [...failures, ...others] };
}

interface Ended {
  readonly lines: readonly string[];
  readonly code: number;
  readonly why: string;
}

function execute(
  [program = '', ...args]: readonly string[],
  limitMs: number,
  log: (l: string) => void,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: string[] = [];
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill('SIGKILL'); // its children go with it
    }, limitMs);
    for (const stream of [child.stdout, child.stderr]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        const parts = (rest + text).split('\n');
        rest = parts.pop() ?? '';
        for (const line of parts) {
          lines.push(line);
          if (!line.startsWith('{"injected"')) log(line);
        }
      });
      stream.on('end', () => rest !== '' && lines.push(rest));
    }
    child.on('error', reject).on('close', (code, signal) => {
      clearTimeout(timer);
      const why = late ? `it had not ended after ${limitMs / 1000} s` : `it ended with ${signal ?? `code ${code}`}`;
      resolve({ lines, code: code ?? 1, why });
    });
  });
}

const skipped = (why: string): Outcome => ({ verdict: 'skipped', summary: why, details: [] });

/** In memory where that is possible: the experiments make many files. */
function makeDirectory(): string {
  for (const parent of ['/dev/shm', tmpdir()]) {
    try {
      return mkdtempSync(join(parent, 'stockpile-lab-'));
    } catch {}
  }
  throw new Error('no directory can be made in /dev/shm, and none for temporary files');
}
