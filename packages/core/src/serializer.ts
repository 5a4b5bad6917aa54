/** From values to bytes and back. */

import { types } from 'node:util';
import { deserialize as v8Deserialize, serialize as v8Serialize } from 'node:v8';
import { builtInClass } from './built-in-class.js';
import { show } from './duration.js';
import { SerializationError } from './errors.js';

/**
 * Turns values into bytes and back. Whatever `deserialize` throws is a counted miss; whatever `serialize` throws
 * becomes a `SerializationError` with the original as its cause. A compressing or signing layer is a serializer that
 * wraps another.
 * @example createRegion({ serializer: { name: 'msgpack', serialize: pack, deserialize: unpack } })
 */
export interface Serializer {
  readonly name: string;
  serialize(value: unknown): Uint8Array;
  /** `bytes` may be the store's own: what the value keeps of them must be a copy. */
  deserialize(bytes: Uint8Array): unknown;
}

/** The first byte of what is stored natively. V8's own format begins with 0xff and needs no tag. */
const TAG = {
  undefined: 0,
  null: 1,
  true: 2,
  false: 3,
  number: 4,
  utf8: 5,
  latin1: 6,
  bytes: 7,
  buffer: 8,
  views: 9,
} as const;
const V8 = 0xff;

/**
 * The default: every type of the structured clone algorithm comes back as it went in (Date, Map, Set, BigInt, typed
 * arrays, Error, RegExp, cycles, -0, NaN, undefined), and Buffers as Buffers. Strings, bytes and scalars are stored as
 * they are; objects in V8's format. What would change its type on the way (functions, symbols, instances of the
 * application's classes) is refused.
 */
export const structuredSerializer: Serializer = {
  name: 'structured',
  serialize(value) {
    switch (typeof value) {
      case 'undefined':
        return Buffer.of(TAG.undefined);
      case 'boolean':
        return Buffer.of(value ? TAG.true : TAG.false);
      case 'number': {
        const bytes = Buffer.allocUnsafe(9);
        bytes[0] = TAG.number;
        bytes.writeDoubleLE(value, 1);
        return bytes;
      }
      case 'string':
        return serializeText(value);
      default:
        if (value === null) return Buffer.of(TAG.null);
        if (types.isUint8Array(value) && builtInClass(value)) {
          return tagged(Buffer.isBuffer(value) ? TAG.buffer : TAG.bytes, value);
        }
        // V8 reads Buffers and typed arrays back as views on the bytes it was given: these get a copy of their own
        return checkTypes(value) ? tagged(TAG.views, v8Serialize(value)) : v8Serialize(value);
    }
  },
  deserialize(input) {
    return readStructured(asBuffer(input), 0);
  },
};

/** JSON text, for stores that other programs read. Only what JSON knows comes back as it went in. */
export const jsonSerializer: Serializer = {
  name: 'json',
  serialize(value) {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new SerializationError(`JSON has no form for ${show(value)}`);
    return Buffer.from(text);
  },
  deserialize(bytes) {
    return JSON.parse(asBuffer(bytes).toString());
  },
};

/** What `serializer` makes of the bytes from `at` on. */
export function deserializeFrom(bytes: Buffer, at: number, serializer: Serializer): unknown {
  return serializer === structuredSerializer ? readStructured(bytes, at) : serializer.deserialize(bytes.subarray(at));
}

/** The same bytes as a Buffer, not copied. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The value whose bytes begin at `at`: by itself, so that the bytes of a text need no view of their own. */
function readStructured(bytes: Buffer, at: number): unknown {
  const start = at + 1;
  switch (bytes[at]) {
    case V8:
      return v8Deserialize(bytes.subarray(at));
    case TAG.views:
      return v8Deserialize(new Uint8Array(bytes.subarray(start)));
    case TAG.undefined:
      return undefined;
    case TAG.null:
      return null;
    case TAG.true:
      return true;
    case TAG.false:
      return false;
    case TAG.number:
      return bytes.readDoubleLE(start);
    case TAG.utf8:
      return bytes.toString('utf8', start);
    case TAG.latin1:
      return bytes.toString('latin1', start);
    case TAG.bytes:
      return new Uint8Array(bytes.subarray(start));
    case TAG.buffer:
      return Buffer.from(bytes.subarray(start));
    default:
      throw new SerializationError(`unknown tag ${bytes[at]} at the start of a structured payload`);
  }
}

function serializeText(text: string): Uint8Array {
  if (!text.isWellFormed()) return v8Serialize(text); // UTF-8 would replace lone surrogates
  const size = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(size + 1);
  const ascii = size === text.length; // one byte each: read back as latin1, which needs no decoding
  bytes[0] = ascii ? TAG.latin1 : TAG.utf8;
  bytes.write(text, 1, ascii ? 'latin1' : 'utf8');
  return bytes;
}

function tagged(tag: number, payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(payload.length + 1);
  bytes[0] = tag;
  bytes.set(payload, 1);
  return bytes;
}

/**
 * Structured clone turns instances of classes into plain objects in silence: finds them before it does. Answers whether
 * there are Buffers or typed arrays. Not recursive: data may be nested deeper than the stack.
 */
function checkTypes(root: unknown): boolean {
  const seen = new Set<unknown>();
  const open: unknown[] = [root];
  let views = false;
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value === 'function' || typeof value === 'symbol') throw noForm(value);
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    const builtIn = builtInClass(value);
    if (builtIn === undefined || builtIn === 'URL') throw losesItsClass(value);
    if (ArrayBuffer.isView(value)) views = true;
    else if (Array.isArray(value) || types.isSet(value)) for (const item of value) open.push(item);
    else if (types.isMap(value)) for (const [key, item] of value) open.push(key, item);
    else if (builtIn === 'Object') for (const item of Object.values(value)) open.push(item);
  }
  return views;
}

function noForm(value: unknown): SerializationError {
  return new SerializationError(
    `${show(value)} has no serialised form: cache data, or use a backend that keeps values`,
  );
}

function losesItsClass(value: object): SerializationError {
  return new SerializationError(
    `an instance of class ${value.constructor?.name} would come back as a plain object: cache plain data, give the region a serializer that knows the class, or use a backend that keeps values`,
  );
}
