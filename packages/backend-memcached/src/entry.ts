/**
 * What is stored for a key:
 *
 *   flags 4 bytes   0x53500001; 0x53500002 where the key was hashed
 *   value 8 bytes   float64 big-endian: when it ends, epoch ms, or Infinity (memcached does not tell, and counts seconds)
 *         4 bytes   uint32: bytes of the whole value. A reply whose length is damaged brings parts of the next ones
 *         4 + n     only where the key was hashed: its length, uint32, and the key itself, compared by readers
 *                   the bytes
 */

import { NO_VALUE, type NoValue } from '@stockpile/core';

const PLAIN = 0x5350_0001;
const WITH_KEY = 0x5350_0002;
const SIZE_AT = 8;
const HEAD_BYTES = 12;
const KEY_AT = HEAD_BYTES + 4;

/** Flags and value of an entry. `end`: epoch ms, or Infinity. */
export function encodeEntry(
  bytes: Uint8Array,
  end: number,
  key: string | undefined,
): { readonly flags: number; readonly pieces: readonly Uint8Array[] } {
  const keyBytes = key === undefined ? 0 : Buffer.byteLength(key);
  const head = Buffer.allocUnsafe(key === undefined ? HEAD_BYTES : KEY_AT + keyBytes);
  head.writeDoubleBE(end);
  head.writeUInt32BE(head.length + bytes.length, SIZE_AT);
  if (key !== undefined) {
    head.writeUInt32BE(keyBytes, HEAD_BYTES);
    head.write(key, KEY_AT, 'utf8');
  }
  return { flags: key === undefined ? PLAIN : WITH_KEY, pieces: [head, bytes] };
}

/** The bytes of an entry; `NO_VALUE` where it has ended, is another key's, or was not written by this driver. */
export function decodeEntry(flags: number, value: Buffer, key: string | undefined): Buffer | NoValue {
  if (value.length < HEAD_BYTES || flags !== (key === undefined ? PLAIN : WITH_KEY)) return NO_VALUE;
  if (value.readUInt32BE(SIZE_AT) !== value.length || entryEnd(value) <= Date.now()) return NO_VALUE;
  if (key === undefined) return value.subarray(HEAD_BYTES);
  if (value.length < KEY_AT) return NO_VALUE;
  const at = KEY_AT + value.readUInt32BE(HEAD_BYTES);
  if (at > value.length || value.toString('utf8', KEY_AT, at) !== key) return NO_VALUE;
  return value.subarray(at);
}

/** When a decodable entry ends: epoch ms, or Infinity. */
export function entryEnd(value: Buffer): number {
  return value.readDoubleBE(0);
}
