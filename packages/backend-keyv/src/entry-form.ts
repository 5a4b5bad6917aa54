/** How bytes lie in the stores of Keyv: in the forms that Keyv itself writes, so that it can read over them. */

/** One way of keeping bytes and the time at which they end. */
export interface EntryForm {
  /** `expires`: epoch ms, Infinity for never. */
  pack(bytes: Buffer, expires: number): unknown;
  /** Undefined where it is none of ours. */
  unpack(entry: unknown): Uint8Array | undefined;
  /** Epoch ms, Infinity for never. */
  expires(entry: unknown): number;
}

/** Keyv's own entry. */
interface Entry {
  readonly value?: unknown;
  readonly expires?: number | null | undefined;
}

const START = '{"value":":base64:';
const EXPIRES = ',"expires":';

/** What the default serialiser of Keyv 5 and 6 makes of a Buffer, written and read without its walk and its reviver. */
export const textForm: EntryForm = {
  pack(bytes, expires) {
    const end = expires === Infinity ? '"}' : `"${EXPIRES}${expires}}`;
    return START + bytes.toString('base64') + end;
  },
  unpack(entry) {
    if (typeof entry !== 'string' || !entry.startsWith(START)) return undefined;
    return Buffer.from(entry.slice(START.length, entry.indexOf('"', START.length)), 'base64');
  },
  expires(entry) {
    if (typeof entry !== 'string' || !entry.startsWith(START)) return Infinity;
    const from = entry.indexOf('"', START.length) + 1;
    return entry.startsWith(EXPIRES, from) ? Number(entry.slice(from + EXPIRES.length, -1)) : Infinity;
  },
};

/** What Keyv keeps where serialisation is switched off; also ours for a Map without a Keyv. */
export const objectForm: EntryForm = {
  pack: entryOf,
  unpack: (entry) => bytesIn((entry as Entry | null)?.value),
  expires: (entry) => expiresOf(entry),
};

/** What the memory adapter of Keyv 6 keeps: Keyv's entry, an object or text, within one of its own. Keyv reads either. */
export const nestedForm: EntryForm = {
  pack: (bytes, expires) => entryOf(entryOf(bytes, expires), expires),
  unpack: (entry) => {
    const inner = (entry as Entry | null)?.value;
    return typeof inner === 'string' ? textForm.unpack(inner) : objectForm.unpack(inner);
  },
  expires: (entry) => expiresOf(entry),
};

function entryOf(value: unknown, expires: number): Entry {
  return { value, expires: expires === Infinity ? undefined : expires };
}

/** Epoch ms at which an entry of Keyv ends, Infinity for never. */
export function expiresOf(entry: unknown): number {
  return (entry as Entry | null | undefined)?.expires ?? Infinity;
}

/** The bytes of a value that came out of Keyv: as they went in, or as base64 text. Undefined: it is none of ours. */
export function bytesIn(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return typeof value === 'string' ? Buffer.from(value, 'base64') : undefined;
}

/** Keyv takes a Buffer for bytes; any other Uint8Array it takes for an object with a property per byte. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
