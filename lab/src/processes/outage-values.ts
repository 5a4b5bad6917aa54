/** Checked values in the forms in which applications store them: an object, a text, bytes. */

import { type CheckedValue, checkedValue, isIntact } from './checked-value.js';

/** Of about `bytes`; the form changes with `n`. */
export function outageValue(key: string, n: number, bytes: number): unknown {
  const value = checkedValue(key, n, bytes);
  if (n % 3 === 0) return value;
  const text = JSON.stringify(value);
  return n % 3 === 1 ? text : Buffer.from(text);
}

/** The `n` of a value of `key`; else what is wrong with it. */
export function readOutageValue(value: unknown, key: string): number | string {
  const read = parse(value);
  if (isIntact(read, key)) return read.n;
  const other = read?.key;
  if (other !== undefined && isIntact(read, other)) return `the value of ${other} for ${key}`;
  return `a damaged value for ${key}: ${JSON.stringify(value)?.slice(0, 80)}`;
}

function parse(value: unknown): Partial<CheckedValue> | undefined {
  if (typeof value !== 'string' && !(value instanceof Uint8Array)) return value as Partial<CheckedValue> | undefined;
  try {
    return JSON.parse(Buffer.from(value as Uint8Array).toString()) as Partial<CheckedValue>;
  } catch {
    return undefined;
  }
}
