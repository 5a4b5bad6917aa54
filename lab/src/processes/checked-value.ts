/** Values that carry their key and a checksum: one that is torn, or another key's, shows. */

import { crc32 } from 'node:zlib';

export interface CheckedValue {
  readonly key: string;
  readonly n: number;
  readonly pad: string;
  readonly sum: number;
}

/** `bytes`: about so many in all. */
export function checkedValue(key: string, n: number, bytes: number): CheckedValue {
  const pad = `${key}#${n};`.repeat(Math.ceil(bytes / (key.length + 4))).slice(0, bytes);
  return { key, n, pad, sum: crc32(`${key}|${n}|${pad}`) };
}

export function isIntact(value: unknown, key: string): value is CheckedValue {
  const { key: own, n, pad, sum } = (value ?? {}) as Partial<CheckedValue>;
  return own === key && typeof n === 'number' && typeof pad === 'string' && sum === crc32(`${key}|${n}|${pad}`);
}

/** The same as a text: the key, its checksum, and `length` letters. */
export function textOf(key: string, length: number): string {
  return `${key}:${crc32(key)}:${'v'.repeat(length)}`;
}

/** Whether it is one of that key, as far as its beginning tells. */
export function isTextOf(text: string, key: string): boolean {
  return text.startsWith(textOf(key, 0));
}
