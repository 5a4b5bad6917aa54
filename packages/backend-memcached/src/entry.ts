/**
 * What is stored for a key:
 *
 *   flags 4 bytes   0x53500001; 0x53500002 where the key was hashed
 *   value 8 bytes   float64 big-endian: when it ends, epoch ms, or Infinity (memcached does not tell, and counts seconds)
 *         4 + n     only where the key was hashed: its length, uint32, and the key itself, compared by readers
 *                   the bytes
 */

import { NO_VALUE, type NoValue } from '@stockpile/core';

const PLAIN = 0x5350_0001;
const WITH_KEY = 0x5350_0002;
const END_BYTES = 8;
const LENGTH_BYTES = 4;

/** Flags and value of an entry. `end`: epoch ms, or Infinity. */
export function encodeEntry(
  bytes: Uint8Array,
  end: number,
  key: string | undefined,
): { readonly flags: number; readonly pieces: readonly Uint8Array[] } {
  if (key === undefined) {
    const head = Buffer.allocUnsafe(END_BYTES);
    head.writeDoubleBE(end);
    return { flags: PLAIN, pieces: [head, bytes] };
  }
  const keyBytes = Buffer.byteLength(key);
  const head = Buffer.allocUnsafe(END_BYTES + LENGTH_BYTES + keyBytes);
  head.writeDoubleBE(end);
  head.writeUInt32BE(keyBytes, END_BYTES);
  head.write(key, END_BYTES + LENGTH_BYTES, 'utf8');
  return { flags: WITH_KEY, pieces: [head, bytes] };
}

/** The bytes of an entry; `NO_VALUE` where it has ended, is another key's, or was not written by this driver. */
export function decodeEntry(flags: number, value: Buffer, key: string | undefined): Buffer | NoValue {
  if (value.length < END_BYTES || flags !== (key === undefined ? PLAIN : WITH_KEY)) return NO_VALUE;
  if (value.readDoubleBE(0) <= Date.now()) return NO_VALUE;
  if (key === undefined) return value.subarray(END_BYTES);
  if (value.length < END_BYTES + LENGTH_BYTES) return NO_VALUE;
  const at = END_BYTES + LENGTH_BYTES + value.readUInt32BE(END_BYTES);
  if (at > value.length || value.toString('utf8', END_BYTES + LENGTH_BYTES, at) !== key) return NO_VALUE;
  return value.subarray(at);
}

/** When a decodable entry ends: epoch ms, or Infinity. */
export function entryEnd(value: Buffer): number {
  return value.readDoubleBE(0);
}
