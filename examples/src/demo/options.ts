/** The command line. */

import { parseArgs } from 'node:util';

export interface Options {
  /** Only this backend, besides the uncached run. */
  readonly backend: string | undefined;
  /** At most so many packages. */
  readonly keys: number;
  readonly workers: number;
  /** How long the uncached run lasts. */
  readonly seconds: number;
}

/** What the user typed cannot be done; the message is for them. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const NUMBERS = {
  keys: { from: 1, to: 100_000, whole: true, fallback: Infinity, hint: 'leave it out for all packages' },
  workers: { from: 1, to: 256, whole: true, fallback: 16, hint: 'leave it out for 16' },
  seconds: { from: 0.1, to: 15, whole: false, fallback: 5, hint: 'leave it out for 5' },
} as const;

export const HELP = `Usage: npm run demo -- [options]

Computes a report (files, bytes, licence, dependency closure, content hash) for each package that is installed in the
current directory: first without a cache, then through each available backend. Ends in under a minute.

  --backend NAME   only this backend, besides the uncached run
  --keys N         at most N packages, 1 to 100,000 (default: all)
  --workers N      concurrent callers, 1 to 256 (default: 16)
  --seconds S      how long the uncached run lasts, 0.1 to 15 (default: 5); each cached run answers 50,000 requests
  --help           this text

Exit code: 0 all reports are identical, 1 one differs or the demo cannot run, 2 wrong options.
`;

/** @throws UsageError */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parse(args);
  if (values.help) return 'help';
  if (values.backend === '') throw new UsageError('--backend: is empty; give the name of one, or leave it out for all');
  return {
    backend: values.backend,
    keys: readNumber('keys', values.keys),
    workers: readNumber('workers', values.workers),
    seconds: readNumber('seconds', values.seconds),
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: joinNegativeNumbers(args),
      options: {
        backend: { type: 'string' },
        keys: { type: 'string' },
        workers: { type: 'string' },
        seconds: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('. ')[0]}; --help shows the options`);
  }
}

/** `--keys -5` → `--keys=-5`: parseArgs would complain about a missing value instead of the number. */
function joinNegativeNumbers(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    const before = joined.at(-1);
    if (/^-[\d.]/.test(arg) && before !== undefined && /^--\w+$/.test(before)) joined.splice(-1, 1, `${before}=${arg}`);
    else joined.push(arg);
  }
  return joined;
}

function readNumber(name: keyof typeof NUMBERS, text: string | undefined): number {
  const { from, to, whole, fallback, hint } = NUMBERS[name];
  if (text === undefined) return fallback;
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (number >= from && number <= to && (!whole || Number.isInteger(number))) return number;
  const kind = whole ? 'a whole number' : 'a number';
  throw new UsageError(`--${name}: '${text}' is not ${kind} from ${from} to ${to.toLocaleString('en-US')}; ${hint}`);
}
