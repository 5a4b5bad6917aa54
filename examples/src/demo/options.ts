/** The command line. */

import { parseArgs } from 'node:util';
import { isShared } from './known.js';

export interface Options {
  /** Only this backend, besides the one it is compared with. */
  readonly backend: string | undefined;
  /** At most so many packages. */
  readonly keys: number;
  /** How many processes at a time; `undefined`: one, and a comparison of several at the end. */
  readonly workers: number | undefined;
  /** How many ask at a time, in each process. */
  readonly callers: number;
  /** How long the uncached run lasts. */
  readonly seconds: number;
}

/** What the user typed cannot be done; the message is for them. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** So many processes show what is shared and what is not. */
export const WORKERS = 4;

const NUMBERS = {
  keys: { from: 1, to: 100_000, whole: true, hint: 'leave it out for all packages' },
  workers: { from: 1, to: 32, whole: true, hint: 'leave it out for one process' },
  callers: { from: 1, to: 256, whole: true, hint: 'leave it out for 16' },
  seconds: { from: 0.1, to: 15, whole: false, hint: 'leave it out for 5' },
} as const;

export const HELP = `Usage: npm run demo -- [options]

Computes a report (files, bytes, licence, dependency closure, content hash) for each package that is installed in the
current directory: first without a cache, then through each backend that needs no server; and last, where shm is
installed, in ${WORKERS} processes at a time, through shm and through lru. Ends in under a minute.

  --backend NAME   only this backend, besides the uncached run; shm, redis, memcached: in ${WORKERS} processes, next to lru
  --workers N      in N processes at a time, 1 to 32; a backend that is named then runs without the uncached one
                   (default: one process, then ${WORKERS} as above)
  --keys N         at most N packages, 1 to 100,000 (default: all)
  --callers N      concurrent callers in each process, 1 to 256 (default: 16)
  --seconds S      how long the uncached run lasts, 0.1 to 15 (default: 5); each cached run answers 50,000 requests
                   in each process
  --help           this text

redis and memcached run through the server that REDIS_URL or MEMCACHED_URL names, else through the one at the usual
port of 127.0.0.1, else through one that is started for the demo where redis-server or memcached is on the PATH. The
demo touches no keys but its own there, and removes them at its end. keyv runs over a Keyv and its Map.

Exit code: 0 all reports are identical, 1 one differs, or processes that share shm or redis made more than one creator
call for a package, or the demo cannot run, 2 wrong options, or a wrong URL.
`;

/** @throws UsageError */
export function readOptions(args: readonly string[]): Options | 'help' {
  const { values } = parse(args);
  if (values.help) return 'help';
  if (values.backend === '') throw new UsageError('--backend: is empty; give the name of one, or leave it out for all');
  return {
    backend: values.backend,
    keys: readNumber('keys', values.keys) ?? Infinity,
    workers: readNumber('workers', values.workers) ?? defaultWorkers(values.backend),
    callers: readNumber('callers', values.callers) ?? 16,
    seconds: readNumber('seconds', values.seconds) ?? 5,
  };
}

/** What processes share is shown by several, when it is named. */
function defaultWorkers(backend: string | undefined): number | undefined {
  return backend !== undefined && isShared(backend) ? WORKERS : undefined;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: joinNegativeNumbers(args),
      options: {
        backend: { type: 'string' },
        keys: { type: 'string' },
        workers: { type: 'string' },
        callers: { type: 'string' },
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

function readNumber(name: keyof typeof NUMBERS, text: string | undefined): number | undefined {
  const { from, to, whole, hint } = NUMBERS[name];
  if (text === undefined) return undefined;
  const number = text.trim() === '' ? Number.NaN : Number(text);
  if (number >= from && number <= to && (!whole || Number.isInteger(number))) return number;
  const kind = whole ? 'a whole number' : 'a number';
  throw new UsageError(`--${name}: '${text}' is not ${kind} from ${from} to ${to.toLocaleString('en-US')}; ${hint}`);
}
