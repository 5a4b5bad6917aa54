/** The bytes around a stored value, and what becomes of bytes that are none of ours. */

import { describe, expect, test } from '@jest/globals';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  type CachedValue,
  createRegion,
  isCounterForm,
  jsonSerializer,
  NO_VALUE,
  type Serializer,
  structuredSerializer,
} from '@stockpile/core';
import fc from 'fast-check';
import { decode, encode, encodeCounter } from '../src/envelope.js';
import { FACES, type Operations, TestClock } from './fixtures.js';

const CREATED_AT = 1_700_000_000_123;
const FOREVER = { ttl: Infinity };

const metadata = fc.record(
  {
    createdAt: fc.oneof(fc.nat(), fc.double({ noNaN: true, noDefaultInfinity: true })),
    expirationTime: fc.oneof(fc.nat(), fc.constant(Infinity)),
    creationTime: fc.nat(),
    tags: fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: ['createdAt'] },
);

describe('encode and decode', () => {
  test('73: the envelope takes at most 16 bytes in the common case, then exactly the bytes of the serializer', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), (value, createdAt) => {
        const payload = structuredSerializer.serialize(value);
        const bytes = encode({ value, metadata: { createdAt } }, structuredSerializer);
        expect(bytes.length - payload.length).toBeLessThanOrEqual(16);
        expect(Buffer.compare(bytes.subarray(bytes.length - payload.length), payload)).toBe(0);
      }),
    );
  });

  test('73: the layout is the documented one', () => {
    const item = { value: 'x', metadata: { createdAt: 2, expirationTime: 1, creationTime: 7.4, tags: ['é'] } };
    const serializer: Serializer = { name: 's', serialize: () => Uint8Array.of(0xaa, 0xbb), deserialize: () => 'x' };
    const bytes = Buffer.from(encode(item, serializer));
    expect(bytes.toString('hex')).toBe(
      [
        'a1',
        '07',
        '0000000000000040',
        '02000000',
        '000000000000f03f',
        '07000000',
        '06000000',
        '5b22c3a9225d',
        'aabb',
      ].join(''),
    );
  });

  test('73: whatever the metadata, the payload is what the serializer made, and all comes back', () => {
    fc.assert(
      fc.property(metadata, fc.uint8Array(), (given, payload) => {
        let deserialized: Uint8Array | undefined;
        const serializer: Serializer = {
          name: 'spy',
          serialize: () => payload,
          deserialize: (bytes) => {
            deserialized = bytes;
            return 'v';
          },
        };
        const decoded = decode(encode({ value: 'v', metadata: given }, serializer), serializer);
        expect(Buffer.from(deserialized ?? []).equals(Buffer.from(payload))).toBe(true);
        expect(decoded.value).toBe('v');
        expect(decoded.metadata).toEqual(given);
      }),
    );
  });

  test('45: a creator that took a negative time (the clock was set back) is no failure', () => {
    const item: CachedValue = { value: 1, metadata: { createdAt: 0, creationTime: -5 } };
    expect(decode(encode(item, jsonSerializer), jsonSerializer).metadata.creationTime).toBe(0);
  });

  const CASES: readonly CachedValue[] = [
    { value: 'text', metadata: { createdAt: CREATED_AT } },
    { value: { a: [1, 2] }, metadata: { createdAt: CREATED_AT } },
    { value: 'text', metadata: { createdAt: CREATED_AT, expirationTime: 5000, creationTime: 3, tags: ['a', 'bc'] } },
  ];

  test.each(CASES)('74: %j, truncated at any length or lengthened, is refused', (item) => {
    const bytes = encode(item, structuredSerializer);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decode(bytes.slice(0, length), structuredSerializer)).toThrow();
    }
    expect(() => decode(Buffer.concat([bytes, Buffer.of(0)]), structuredSerializer)).toThrow();
    expect(() => decode(Buffer.concat([bytes, bytes]), structuredSerializer)).toThrow();
  });

  test.each(CASES)('74: %j with any bit of version, flags or length flipped is refused', (item) => {
    const bytes = encode(item, structuredSerializer);
    for (const at of [0, 1, 10, 11, 12, 13]) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] as number) ^ (1 << bit);
        expect(() => decode(flipped, structuredSerializer)).toThrow();
      }
    }
  });

  test('74: a date that is no time is refused', () => {
    for (const createdAt of [Number.NaN, Infinity, -Infinity]) {
      const bytes = encode({ value: 1, metadata: { createdAt } }, jsonSerializer);
      expect(() => decode(bytes, jsonSerializer)).toThrow();
    }
  });

  test('74: any other version is refused, whatever follows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), fc.uint8Array(), (version, rest) => {
        fc.pre(version !== 0xa1);
        expect(() => decode(Uint8Array.of(version, ...rest), structuredSerializer)).toThrow(
          expect.objectContaining({ code: 'ERR_STOCKPILE_SERIALIZATION' }),
        );
      }),
    );
  });
});

describe('the form of counters', () => {
  test('25, 73: the layout is the documented one: the number is the last 8 bytes', () => {
    const bytes = Buffer.from(encodeCounter({ value: 1, metadata: { createdAt: 2, expirationTime: 1 } }));
    expect(bytes.toString('hex')).toBe(
      ['a1', '09', '0000000000000040', '08000000', '000000000000f03f', '000000000000f03f'].join(''),
    );
    expect(isCounterForm(bytes)).toBe(true);
  });

  test('25, 73: number and metadata come back by any serializer, which is not asked, also after an addition in place', () => {
    const unused: Serializer = {
      name: 'unused',
      serialize: () => {
        throw new Error('it was asked');
      },
      deserialize: () => {
        throw new Error('it was asked');
      },
    };
    fc.assert(
      fc.property(metadata, fc.double(), fc.double(), (given, value, by) => {
        const bytes = Buffer.from(encodeCounter({ value, metadata: given }));
        expect(isCounterForm(bytes)).toBe(true);
        expect(decode(bytes, unused)).toMatchObject({ value, metadata: given });
        bytes.writeDoubleLE(value + by, bytes.length - 8);
        expect(decode(bytes, unused)).toMatchObject({ value: value + by, metadata: given });
      }),
    );
  });

  test('25: nothing that a serializer made has it', () => {
    fc.assert(
      fc.property(metadata, fc.uint8Array(), (given, payload) => {
        const serializer: Serializer = { name: 's', serialize: () => payload, deserialize: () => 0 };
        expect(isCounterForm(encode({ value: 0, metadata: given }, serializer))).toBe(false);
      }),
    );
  });

  test('25: other versions, unknown flags and bytes that are too few do not have it', () => {
    const bytes = encodeCounter({ value: 1, metadata: { createdAt: 2 } });
    for (let length = 0; length < bytes.length; length++) expect(isCounterForm(bytes.subarray(0, length))).toBe(false);
    for (const [at, byte] of [
      [0, 0xa2],
      [1, 0],
      [1, 7],
      [1, 16 | 8],
      [1, 0xff],
    ] as const) {
      expect(isCounterForm(Buffer.from(bytes).fill(byte, at, at + 1))).toBe(false);
    }
  });

  test('25, 74: truncated, lengthened, or with another payload than 8 bytes, it is refused', () => {
    const bytes = encodeCounter({ value: 1, metadata: { createdAt: CREATED_AT, tags: ['a'] } });
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decode(bytes.slice(0, length), structuredSerializer)).toThrow();
    }
    expect(() => decode(Buffer.concat([bytes, Buffer.of(0)]), structuredSerializer)).toThrow();
    const nine = Buffer.from(encode({ value: 1, metadata: { createdAt: CREATED_AT } }, structuredSerializer));
    nine[1] = 8;
    expect(() => decode(nine, structuredSerializer)).toThrow(/torn/);
  });

  test('25: what is no number has no such form', () => {
    expect(() => encodeCounter({ value: '1', metadata: { createdAt: 2 } })).toThrow(/a counter is a number/);
  });
});

describe.each(FACES)('%s over unreadable bytes', (_face, of) => {
  function stored(bytes: Uint8Array, serializer: Serializer = structuredSerializer) {
    const driver = new MemoryPickleBackend();
    driver.set('k', bytes, FOREVER);
    const clock = new TestClock();
    clock.time = CREATED_AT;
    const region = createRegion({ namespace: '', serializer, clock }).configure(driver, { expirationTime: '1h' });
    return { driver, region, operations: of(region) };
  }
  const good = encode({ value: 'v', metadata: { createdAt: CREATED_AT } }, structuredSerializer);
  const otherVersion = Buffer.from(good).fill(0xa2, 0, 1);
  const UNREADABLE: readonly [string, Uint8Array][] = [
    ['no bytes', new Uint8Array()],
    ['truncated bytes', good.slice(0, -1)],
    ['a truncated header', good.slice(0, 9)],
    ['foreign bytes', Buffer.from('{"value":"v"}')],
    ['another version', otherVersion],
    [
      'an unknown tag',
      encode(
        { value: 'v', metadata: { createdAt: CREATED_AT } },
        { ...structuredSerializer, serialize: () => Uint8Array.of(99) },
      ),
    ],
    [
      'a torn payload',
      encode(
        { value: 'v', metadata: { createdAt: CREATED_AT } },
        { ...structuredSerializer, serialize: () => Uint8Array.of(0xff, 15, 0x22, 200) },
      ),
    ],
  ];

  test.each(UNREADABLE)('74: %s are a miss in every read, counted as unreadable', async (_what, bytes) => {
    const reads: readonly ((operations: Operations) => unknown)[] = [
      async (operations) => expect(await operations.get('k')).toBe(NO_VALUE),
      async (operations) => expect(await operations.get('k', { ignoreExpiration: true })).toBe(NO_VALUE),
      async (operations) => expect(await operations.getEntry('k')).toBe(NO_VALUE),
      async (operations) => expect(await operations.getMulti(['k'])).toEqual([NO_VALUE]),
    ];
    for (const read of reads) {
      const { region, operations } = stored(bytes);
      await read(operations);
      expect(region.stats()).toMatchObject({
        misses: 1,
        hits: 0,
        errors: 0,
        missReasons: { unreadable: 1, absent: 1 },
      });
    }
  });

  test.each(UNREADABLE)('74: %s are regenerated by getOrCreate and getOrCreateMulti', async (_what, bytes) => {
    const single = stored(bytes);
    expect(await single.operations.getOrCreate('k', () => 'new')).toBe('new');
    expect(await single.operations.get('k')).toBe('new');
    expect(single.region.stats().missReasons.unreadable).toBeGreaterThanOrEqual(1);
    const multi = stored(bytes);
    expect(await multi.operations.getOrCreateMulti(['k'], () => ['new'])).toEqual(['new']);
    expect(await multi.operations.getMulti(['k'])).toEqual(['new']);
  });

  test('74: a serializer that throws at all is a miss, without a class of its own', async () => {
    for (const thrown of [new Error('bad'), 'bad', undefined]) {
      const serializer: Serializer = {
        name: 'broken',
        serialize: jsonSerializer.serialize,
        deserialize: () => {
          throw thrown;
        },
      };
      const { region, operations } = stored(
        encode({ value: 1, metadata: { createdAt: CREATED_AT } }, jsonSerializer),
        serializer,
      );
      expect(await operations.get('k')).toBe(NO_VALUE);
      expect(region.stats().missReasons.unreadable).toBe(1);
    }
  });

  test('74: an unreadable neighbour does not harm the others of a multi read', async () => {
    const { driver, operations } = stored(otherVersion);
    await operations.set('good', 1);
    driver.set('bad', Buffer.from('x'), FOREVER);
    expect(await operations.getMulti(['k', 'good', 'bad'])).toEqual([NO_VALUE, 1, NO_VALUE]);
  });

  test('74: random bytes, and random payloads in a proper envelope, never make a read throw', async () => {
    const raw: Serializer = { ...structuredSerializer, serialize: (value) => value as Uint8Array };
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.uint8Array({ maxLength: 64 }).map((rest) => Uint8Array.of(0xa1, ...rest)),
      fc
        .tuple(metadata, fc.uint8Array({ maxLength: 40 }))
        .map(([given, value]) => encode({ value, metadata: given }, raw)),
      fc
        .tuple(metadata, fc.uint8Array({ maxLength: 40 }))
        .map(([given, value]) => encode({ value: Uint8Array.of(0xff, 15, ...value), metadata: given }, raw)),
      fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => Buffer.from(good).fill(byte, at, at + 1)),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (torn) => {
        const { region, operations } = stored(torn);
        await operations.get('k');
        await operations.getEntry('k', { ignoreExpiration: true });
        await operations.getMulti(['k']);
        await operations.getOrCreate('k', () => 'new');
        const { hits, misses, staleHits, errors } = region.stats();
        expect([hits + misses + staleHits, errors]).toEqual([4, 0]);
      }),
      { numRuns: 1000 },
    );
  });
});
