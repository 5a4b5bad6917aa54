/** What an entry counts for in `maxBytes`. */

import { SerializationError, structuredSerializer, ValidationError } from '@stockpile/core';

/** How much a value takes, in the unit of `maxBytes`: a number from 0, rounded up to whole bytes from 1. */
export type SizeOf = (value: unknown, key: string) => number;

/** What an entry takes besides its key and value: its objects, its Map slot and its links (measured: 200 on Node 20). */
export const ENTRY_OVERHEAD_BYTES = 200;

/** Checks what the user's own measure answers with. */
export function measuredBy(sizeOf: SizeOf): SizeOf {
  return (value, key) => {
    const size: unknown = sizeOf(value, key);
    if (typeof size === 'number' && size >= 0 && size <= Number.MAX_SAFE_INTEGER) return Math.max(Math.ceil(size), 1);
    throw new ValidationError(`lru: sizeOf must answer with a number of bytes from 0, not ${String(size)}`);
  };
}

/** The length of the serialised form, of the key, and the overhead. */
export function serialisedSize(value: unknown, key: string): number {
  try {
    return structuredSerializer.serialize(value).length + Buffer.byteLength(key) + ENTRY_OVERHEAD_BYTES;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SerializationError(
      `lru: the size of the value cannot be measured by serialising it, give the backend a sizeOf(value, key): ${reason}`,
      { cause },
    );
  }
}
