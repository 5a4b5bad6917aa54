/** Copies of values, for backends that keep them by reference and offer `clone`. */

import { SerializationError } from './errors.js';
import { structuredSerializer } from './serializer.js';

/**
 * A copy through the default serializer. Unlike `structuredClone` it keeps Buffers, refuses what would lose its class,
 * and copies no more than a view. `backend` is named in the error.
 * @throws SerializationError
 */
export function cloneValue(value: unknown, backend: string): unknown {
  try {
    return structuredSerializer.deserialize(structuredSerializer.serialize(value));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const message = `${backend}: the value cannot be cloned, leave clone off to keep it as it is: ${reason}`;
    throw new SerializationError(message, { cause });
  }
}
