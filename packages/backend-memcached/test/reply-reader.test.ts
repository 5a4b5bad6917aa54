/** Replies, in whatever pieces they arrive. */

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError, ReplyReader } from '../src/reply-reader.js';

interface Given {
  readonly opaque: number;
  readonly flags: number | undefined;
  readonly key: string;
  readonly value: Uint8Array;
}

const given: fc.Arbitrary<Given> = fc.record({
  opaque: fc.nat(0x7fff_ffff),
  flags: fc.option(fc.nat(), { nil: undefined }),
  key: fc.string({ maxLength: 20 }),
  value: fc.uint8Array({ maxLength: 300 }),
});

function bytesOf({ opaque, flags, key, value }: Given): Buffer {
  const extras = Buffer.alloc(flags === undefined ? 0 : 4);
  if (flags !== undefined) extras.writeUInt32BE(flags);
  const header = Buffer.alloc(24);
  header[0] = 0x81;
  header.writeUInt16BE(Buffer.byteLength(key), 2);
  header[4] = extras.length;
  header.writeUInt32BE(extras.length + Buffer.byteLength(key) + value.length, 8);
  header.writeUInt32BE(opaque, 12);
  return Buffer.concat([header, extras, Buffer.from(key), value]);
}

/** What a reader makes of the bytes when they come in pieces of these sizes. */
function read(bytes: Buffer, sizes: readonly number[]): Given[] {
  const reader = new ReplyReader();
  const found: Given[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number;
    reader.feed(Buffer.from(bytes.subarray(at, at + size)), (reply) => {
      const flags = reply.flags === -1 ? undefined : reply.flags;
      found.push({ opaque: reply.opaque, flags, key: reply.key, value: Uint8Array.from(reply.value) });
    });
    at += size;
  }
  return found;
}

test('are the same, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(given, { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 10 }),
      (replies, sizes) => {
        expect(read(Buffer.concat(replies.map(bytesOf)), sizes)).toEqual(replies);
      },
    ),
  );
});

test('what does not begin as a reply, or has lengths that do not fit, is refused at once', () => {
  const reply = bytesOf({ opaque: 1, flags: 1, key: 'key', value: Uint8Array.of(1) });
  const spoilt = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(reply);
    bytes.writeUInt32BE(value, at);
    return bytes;
  };
  for (const bytes of [Buffer.of(0x80), Buffer.from('ERROR\r\n'), spoilt(8, 2), spoilt(8, 0xffff_ffff)]) {
    expect(() => read(bytes, [bytes.length])).toThrow(ProtocolError);
    expect(() => read(bytes, [1])).toThrow(ProtocolError);
  }
});
