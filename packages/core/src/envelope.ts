/**
 * The binary envelope of a stored value: 14 bytes in the common case, then exactly what the serializer made.
 *
 *   offset  size  field
 *        0     1  version, 0xa1; any other is not ours to read
 *        1     1  flags: 1 expirationTime, 2 creationTime, 4 tags, 8 counter
 *        2     8  createdAt, float64 little-endian, epoch ms
 *       10     4  payload length, uint32 little-endian: a torn entry is recognised
 *       14     8  expirationTime, float64, ms       (if flagged)
 *              4  creationTime, uint32, ms          (if flagged)
 *           4 + n n, uint32, and a JSON array of n bytes with the tags (if flagged)
 *                 payload
 *
 * The payload of a counter is its number, a float64 little-endian, made by no serializer: whatever the region's, a driver
 * can add to the last 8 bytes in place.
 */

import type { CachedValue, Metadata } from './cached-value.js';
import { show } from './duration.js';
import { SerializationError } from './errors.js';
import { asBuffer, deserializeFrom, type Serializer } from './serializer.js';

const VERSION = 0xa1;
const HEADER_BYTES = 14;
const EXPIRATION = 1;
const CREATION = 2;
const TAGS = 4;
const COUNTER = 8;
const COUNTER_BYTES = 8;

/** The bytes of `item`. Throws what the serializer throws. */
export function encode({ value, metadata }: CachedValue, serializer: Serializer): Uint8Array {
  return envelop(serializer.serialize(value), metadata, 0);
}

/** The bytes of a counter, which a driver can add to without the serializer. */
export function encodeCounter({ value, metadata }: CachedValue): Uint8Array {
  if (typeof value !== 'number') throw new SerializationError(`a counter is a number, not ${show(value)}`);
  const payload = Buffer.allocUnsafe(COUNTER_BYTES);
  payload.writeDoubleLE(value);
  return envelop(payload, metadata, COUNTER);
}

/**
 * For drivers with `counters`: whether an entry ends with its number, a float64 little-endian, to which they can add in
 * place. Nothing else may be changed.
 */
export function isCounterForm(bytes: Uint8Array): boolean {
  // flags that are not known, from 16 up, may move the number
  return bytes.length >= HEADER_BYTES + COUNTER_BYTES && bytes[0] === VERSION && (bytes[1] as number) >> 3 === 1;
}

function envelop(payload: Uint8Array, metadata: Metadata, form: number): Uint8Array {
  const { createdAt, expirationTime, creationTime, tags } = metadata;
  const tagBytes = tags && Buffer.from(JSON.stringify(tags));
  const extra =
    (expirationTime === undefined ? 0 : 8) +
    (creationTime === undefined ? 0 : 4) +
    (tagBytes ? 4 + tagBytes.length : 0);
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + extra + payload.length);
  bytes[0] = VERSION;
  bytes[1] =
    form |
    (expirationTime === undefined ? 0 : EXPIRATION) |
    (creationTime === undefined ? 0 : CREATION) |
    (tags ? TAGS : 0);
  bytes.writeDoubleLE(createdAt, 2);
  let at = bytes.writeUInt32LE(payload.length, 10);
  if (expirationTime !== undefined) at = bytes.writeDoubleLE(expirationTime, at);
  if (creationTime !== undefined)
    at = bytes.writeUInt32LE(Math.min(Math.max(0, Math.round(creationTime)), 0xffffffff), at);
  if (tagBytes) {
    at = bytes.writeUInt32LE(tagBytes.length, at);
    at += tagBytes.copy(bytes, at);
  }
  bytes.set(payload, at);
  return bytes;
}

/** The item in `bytes`, which may be torn or foreign: then throws, never answers with something else. */
export function decode(input: Uint8Array, serializer: Serializer): DecodedValue {
  const bytes = asBuffer(input);
  if (bytes[0] !== VERSION) throw new SerializationError(`unknown envelope version ${bytes[0]}`);
  const flags = bytes[1] as number;
  if (flags & ~(EXPIRATION | CREATION | TAGS | COUNTER))
    throw new SerializationError(`unknown envelope flags ${flags}`);
  const createdAt = bytes.readDoubleLE(2);
  const metadata: Metadata = { createdAt };
  const at = flags === 0 ? HEADER_BYTES : readOptional(bytes, flags, metadata);
  const size = bytes.readUInt32LE(10);
  const isCounter = (flags & COUNTER) !== 0;
  if (at + size !== bytes.length || !Number.isFinite(createdAt) || (isCounter && size !== COUNTER_BYTES)) {
    throw new SerializationError(`the entry of ${bytes.length} bytes is torn`);
  }
  const value = isCounter ? bytes.readDoubleLE(at) : deserializeFrom(bytes, at, serializer);
  return new DecodedValue(value, metadata, input);
}

/** A decoded item remembers the bytes it came from: `compareAndSet` compares them. */
export class DecodedValue implements CachedValue {
  constructor(
    readonly value: unknown,
    readonly metadata: Metadata,
    readonly bytes: Uint8Array,
  ) {}
}

type Writable<T> = { -readonly [P in keyof T]: T[P] };

/** Fills in the flagged fields; where the payload begins. */
function readOptional(bytes: Buffer, flags: number, metadata: Writable<Metadata>): number {
  let at = HEADER_BYTES;
  if (flags & EXPIRATION) {
    metadata.expirationTime = bytes.readDoubleLE(at);
    at += 8;
  }
  if (flags & CREATION) {
    metadata.creationTime = bytes.readUInt32LE(at);
    at += 4;
  }
  if (flags & TAGS) {
    const size = bytes.readUInt32LE(at);
    at += 4;
    const tags: unknown = JSON.parse(bytes.toString('utf8', at, at + size));
    if (!Array.isArray(tags) || !tags.every((tag) => typeof tag === 'string')) {
      throw new SerializationError('the tags of the entry are unreadable');
    }
    metadata.tags = tags;
    at += size;
  }
  return at;
}
