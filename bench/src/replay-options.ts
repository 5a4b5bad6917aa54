/** The command line of `npm run replay`. */

import { parseArgs } from 'node:util';
import { type ByteSize, parseByteSize } from '@stockpile/core';
import { BACKENDS, type ReplayBackend, type ReplayOptions } from './replayer.js';

const DEFAULT_VALUE_SIZE = 1024;

export const USAGE = `npm run replay -- TRACE --backend memory|memory-pickle|lru --size 1M [--items N] [--value-size BYTES]
  TRACE         a file (one request per line: key, or key,bytes; plain or gzip), or a name from ../shared/traces
  --backend     default lru
  --size        lru: most bytes, as a number or like 512K, 1M, 2G (binary units)
  --items       lru: most entries
  --value-size  bytes of a value where the trace does not say; default ${DEFAULT_VALUE_SIZE}`;

export interface CommandLine extends ReplayOptions {
  readonly trace: string;
  /** What the user should know before the result. */
  readonly notes: readonly string[];
}

/** @throws Error that says what is wrong with which option. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      backend: { type: 'string', default: 'lru' },
      size: { type: 'string' },
      items: { type: 'string' },
      'value-size': { type: 'string', default: String(DEFAULT_VALUE_SIZE) },
    },
  });
  const [trace, ...more] = positionals;
  if (trace === undefined) throw new Error('TRACE is missing');
  if (more.length > 0) throw new Error(`one TRACE at a time, not also '${more.join("', '")}'`);
  const { backend } = values;
  if (!isBackend(backend)) throw new Error(`--backend: there is no '${backend}'; choose ${BACKENDS.join(', ')}`);
  const bounded = values.size !== undefined || values.items !== undefined;
  const notes: string[] = [];
  if (backend !== 'lru' && bounded) notes.push(`'${backend}' has no bound: --size and --items do nothing`);
  if (backend === 'lru' && !bounded) notes.push('neither --size nor --items: lru keeps 10,000 entries');
  return {
    trace,
    backend,
    size: values.size === undefined ? undefined : parseByteSize(values.size as ByteSize, '--size'),
    items: values.items === undefined ? undefined : count(values.items),
    valueSize: parseByteSize(values['value-size'] as ByteSize, '--value-size'),
    notes,
  };
}

function isBackend(name: string): name is ReplayBackend {
  return (BACKENDS as readonly string[]).includes(name);
}

function count(text: string): number {
  const items = Number(text);
  if (/^\d+$/.test(text) && items >= 1) return items;
  throw new Error(`--items: must be a whole number from 1, not '${text}'`);
}
