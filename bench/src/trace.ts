/** Traces of real traffic: one request per line, `key` or `key,bytes`, plain or gzip. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

export interface Trace {
  readonly keys: readonly string[];
  /** Bytes of each request's object; undefined where the trace does not know. */
  readonly sizes: readonly (number | undefined)[];
}

/** Beside the checkout. */
export const TRACES: string = fileURLToPath(new URL('../../../shared/traces', import.meta.url));

/**
 * Finds a trace by its path, or by its bare name (`web07`) among the shared ones.
 * @throws Error that says where it was looked for, and what there is.
 */
export function findTrace(name: string, folder: string = process.env.INIT_CWD ?? process.cwd()): string {
  const places = [resolve(folder, name)];
  if (!/[\\/]/.test(name)) places.push(...['', '.txt.gz', '.gz', '.txt'].map((end) => resolve(TRACES, name + end)));
  const found = places.find((place) => existsSync(place) && statSync(place).isFile());
  if (found !== undefined) return found;
  const shared = existsSync(TRACES) ? readdirSync(TRACES).filter((file) => file.endsWith('.txt.gz')) : [];
  const hint = shared.length > 0 ? `in ${TRACES} there are ${shared.join(', ')}` : `${TRACES} is not there or empty`;
  throw new Error(`no trace '${name}': looked at ${places[0]}; ${hint}`);
}

export function readTrace(path: string): Trace {
  const bytes = readFileSync(path);
  return parseTrace((bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString());
}

/** @throws Error for a trace without requests. */
export function parseTrace(text: string): Trace {
  const keys: string[] = [];
  const sizes: (number | undefined)[] = [];
  for (const line of text.split('\n')) {
    const request = line.trim();
    if (request === '') continue;
    // a key may contain commas; the size is what follows the last, if that is a number
    const sized = /^(.+),(\d+)$/.exec(request);
    keys.push(sized?.[1] ?? request);
    sizes.push(sized === null ? undefined : Number(sized[2]));
  }
  if (keys.length === 0) throw new Error('the trace holds no request');
  return { keys, sizes };
}
