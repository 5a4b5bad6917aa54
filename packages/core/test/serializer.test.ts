/** Values that become bytes and come back: the same types on a hit as on the miss. */

import assert from 'node:assert/strict';
import { inspect, types } from 'node:util';
import { deserialize, serialize } from 'node:v8';
import { describe, expect, test } from '@jest/globals';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import { createRegion, jsonSerializer, NO_VALUE, type Serializer, structuredSerializer } from '@stockpile/core';
import fc from 'fast-check';
import { FACES, failureOf, regionOn } from './fixtures.js';

const roundTrip = (value: unknown): unknown => structuredSerializer.deserialize(structuredSerializer.serialize(value));
/** Deep equality of copies in the realm of node:v8, since jest's tests have one of their own. */
function assertSame(actual: unknown, expected: unknown): void {
  const oneRealm = (value: unknown): unknown => deserialize(serialize(value));
  assert.deepStrictEqual(oneRealm(actual), oneRealm(expected));
}

class Point {
  constructor(readonly x = 1) {}
}

describe('structuredSerializer', () => {
  test('75: random values of every supported type come back equal, by way of memory-pickle', () => {
    const { sync } = regionOn('memory-pickle').region;
    const anything = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withSparseArray: true,
      withBoxedValues: true,
      withUnicodeString: true,
      withObjectString: true,
      maxDepth: 4,
    });
    fc.assert(
      fc.property(anything, (value) => {
        fc.pre(!inspect(value, { depth: null }).includes('Invalid Date')); // equal to nothing, not even to itself
        sync.set('k', value);
        assertSame([sync.get('k')], [value]);
      }),
      { numRuns: 1000 },
    );
  });

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['true', true],
    ['false', false],
    ['0', 0],
    ['-0', -0],
    ['NaN', Number.NaN],
    ['-Infinity', -Infinity],
    ['the largest number', Number.MAX_VALUE],
    ['the smallest number', 5e-324],
    ['a BigInt', -(10n ** 40n)],
    ['the empty string', ''],
    ['ASCII', 'plain'],
    ['Latin-1', 'é\u0080ÿ'],
    ['more than Latin-1', '日本😀\0'],
    ['a lone surrogate', 'a\ud800b'],
  ])('75: %s is the same', (_name, value) => {
    expect(Object.is(roundTrip(value), value)).toBe(true);
  });

  test('75: nested scalars keep their types too', () => {
    const list: unknown[] = [undefined, -0];
    list[3] = null; // a hole at 2
    const value = {
      u: undefined,
      n: null,
      z: -0,
      nan: Number.NaN,
      big: 1n,
      list,
      text: 'é\ud800',
    };
    const back = roundTrip(value) as typeof value;
    expect(Object.keys(back)).toEqual(Object.keys(value));
    expect('u' in back && back.u === undefined).toBe(true);
    expect([Object.is(back.z, -0), Object.is(back.list[1], -0), 2 in back.list]).toEqual([true, true, false]);
    expect(back.text).toBe(value.text);
    assertSame(back, value);
  });

  test.each<[string, (value: unknown) => boolean, unknown]>([
    ['Date', types.isDate, new Date(1234)],
    ['RegExp', types.isRegExp, /a"b/giu],
    ['Map', types.isMap, new Map<unknown, unknown>([[{ a: 1 }, new Set([1])]])],
    ['Set', types.isSet, new Set(['a', 1, 1n])],
    ['Uint8Array', types.isUint8Array, Uint8Array.of(1, 2, 255)],
    ['Float64Array', types.isFloat64Array, Float64Array.of(0.5, -0, Number.NaN)],
    ['BigInt64Array', types.isBigInt64Array, BigInt64Array.of(-1n)],
    ['DataView', types.isDataView, new DataView(Uint8Array.of(1, 2, 3).buffer, 1, 1)],
    ['ArrayBuffer', types.isAnyArrayBuffer, Uint8Array.of(1, 2).buffer],
    ['Buffer', Buffer.isBuffer, Buffer.from('é')],
    ['boxed number', types.isNumberObject, Object(5)],
  ])('75: a %s comes back as one, at the top and nested', (_name, isOne, value) => {
    for (const [back, expected] of [
      [roundTrip(value), value],
      [(roundTrip({ in: [value] }) as { in: unknown[] }).in[0], value],
    ]) {
      expect(isOne(back)).toBe(true);
      assertSame(back, expected);
    }
  });

  test('75: an invalid Date comes back as one', () => {
    const back = roundTrip([new Date(Number.NaN)]) as unknown[];
    expect([types.isDate(back[0]), Number(back[0])]).toEqual([true, Number.NaN]);
  });

  test('75: a Buffer is no Uint8Array and the other way round', () => {
    expect(Buffer.isBuffer(roundTrip(Buffer.of(1)))).toBe(true);
    expect(Buffer.isBuffer(roundTrip(Uint8Array.of(1)))).toBe(false);
    expect((roundTrip(new Uint8Array()) as Uint8Array).length).toBe(0);
    const inside = roundTrip({ b: Buffer.of(1, 2), u: Uint8Array.of(3) }) as { b: Buffer; u: Uint8Array };
    expect([Buffer.isBuffer(inside.b), [...inside.b], Buffer.isBuffer(inside.u), [...inside.u]]).toEqual([
      true,
      [1, 2],
      false,
      [3],
    ]);
  });

  test('75: a view is stored without what surrounds it', () => {
    const whole = new Uint8Array(10_000);
    expect(structuredSerializer.serialize(whole.subarray(5, 8))).toHaveLength(4);
    expect(String(roundTrip(Buffer.from('hello').subarray(1, 3)))).toBe('el');
  });

  test.each([Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError])(
    '75: an error of class %p keeps class name, message and stack',
    (ErrorClass) => {
      const error = new ErrorClass('broken');
      const back = roundTrip([error]) as Error[];
      expect(types.isNativeError(back[0])).toBe(true);
      expect(back[0]).toMatchObject({ name: error.name, message: 'broken', stack: error.stack });
    },
  );

  test('75: cycles and shared objects keep their shape', () => {
    const shared = { s: 1 };
    const value: Record<string, unknown> = { a: shared, b: shared, map: new Map() };
    value.self = value;
    (value.map as Map<unknown, unknown>).set('up', value);
    const back = roundTrip(value) as typeof value;
    expect(back.self).toBe(back);
    expect(back.a).toBe(back.b);
    expect((back.map as Map<unknown, unknown>).get('up')).toBe(back);
  });

  test.each(FACES)('75, 94: %s: what is stored follows neither the caller nor the reader', async (_face, of) => {
    const operations = of(regionOn('memory-pickle').region);
    const given = { list: [1], bytes: Buffer.of(1), map: new Map([[1, 1]]) };
    await operations.set('k', given);
    given.list.push(2);
    given.bytes[0] = 9;
    given.map.clear();
    for (let i = 0; i < 2; i++) {
      const read = (await operations.get('k')) as typeof given;
      expect([read.list, [...read.bytes], [...read.map]]).toEqual([[1], [1], [[1, 1]]]);
      read.list.push(3);
      read.bytes[0] = 9;
      read.map.clear();
    }
    await operations.set('bytes', Uint8Array.of(1));
    ((await operations.get('bytes')) as Uint8Array)[0] = 9;
    expect([...((await operations.get('bytes')) as Uint8Array)]).toEqual([1]);
  });

  test('73: strings and small scalars cost one byte beside themselves', () => {
    expect(structuredSerializer.serialize('hello')).toHaveLength(6);
    expect(structuredSerializer.serialize('é')).toHaveLength(3);
    expect(structuredSerializer.serialize(true)).toHaveLength(1);
    expect(structuredSerializer.serialize(undefined)).toHaveLength(1);
    expect(structuredSerializer.serialize(1)).toHaveLength(9);
    expect(structuredSerializer.serialize(Buffer.of(1, 2))).toHaveLength(3);
  });

  class OwnError extends Error {}
  class List extends Array<number> {}
  class Bytes extends Uint8Array {}
  const deep: unknown[] = [];
  for (let i = 0, at = deep; i < 100_000; i++) {
    const next: unknown[] = [];
    at.push(next);
    at = next;
  }

  test.each<[string, unknown]>([
    ['a function', () => 1],
    ['a class', Point],
    ['a symbol', Symbol('s')],
    ['an instance of a class', new Point()],
    ['an error of a class of its own', new OwnError('e')],
    ['an array of a class of its own', new List()],
    ['a Map of a class of its own', new (class Table extends Map {})()],
    ['a Set of a class of its own', new (class Bag extends Set {})()],
    ['a Date of a class of its own', new (class Day extends Date {})()],
    ['bytes of a class of its own', new Bytes(2)],
    ['a promise', Promise.resolve()],
    ['a WeakMap', new WeakMap()],
    ['a URL', new URL('http://localhost')],
    ['a generator', (function* () {})()],
    ['nesting beyond the stack', deep],
  ])('24: %s is refused with a SerializationError that names the key, at the top and nested', async (_name, value) => {
    const { region } = regionOn('memory-pickle');
    await region.set('the key', 'old');
    for (const bad of [value, { a: [value] }, new Map([['a', value]]), new Map([[value, 1]]), new Set([value])]) {
      for (const work of [() => region.set('the key', bad), () => region.sync.set('the key', bad)]) {
        const error = await failureOf(work);
        expect(error).toMatchObject({ code: 'ERR_STOCKPILE_SERIALIZATION', key: 'the key' });
        expect(error.message).toContain('the key');
        expect(error.message.length).toBeLessThan(800);
      }
    }
    expect(await region.get('the key')).toBe('old');
  });

  test('24, 42: what cannot be serialised is still returned to the caller of getOrCreate', async () => {
    const { region } = regionOn('memory-pickle');
    const point = new Point();
    expect(await region.getOrCreate('k', () => point)).toBe(point);
    expect(region.sync.getOrCreate('k', () => point)).toBe(point);
    expect(await region.get('k')).toBe(NO_VALUE);
    expect(region.stats().errors).toBe(2);
  });

  test('74: no text of bytes makes it answer with something that it never wrote without a tag', () => {
    for (let tag = 10; tag < 255; tag++) {
      expect(() => structuredSerializer.deserialize(Uint8Array.of(tag, 1, 2))).toThrow(
        expect.objectContaining({ code: 'ERR_STOCKPILE_SERIALIZATION' }),
      );
    }
    expect(() => structuredSerializer.deserialize(new Uint8Array())).toThrow();
    expect(() => structuredSerializer.deserialize(Uint8Array.of(4, 1))).toThrow();
  });
});

describe('jsonSerializer', () => {
  test('JSON values come back equal, as JSON text', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const bytes = jsonSerializer.serialize(value);
        expect(Buffer.from(bytes).toString()).toBe(JSON.stringify(value));
        expect(jsonSerializer.deserialize(bytes)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test.each([[undefined], [() => 1], [Symbol('s')], [1n]])('24: %p is refused', async (value) => {
    const { region } = regionOn('memory-pickle', {}, { serializer: jsonSerializer });
    expect((await failureOf(() => region.set('k', value))).code).toBe('ERR_STOCKPILE_SERIALIZATION');
  });
});

describe('a serializer of the user', () => {
  test.each(FACES)(
    '73: %s: what is stored ends with exactly its output, and it gets exactly that back',
    async (_face, of) => {
      const driver = new MemoryPickleBackend();
      const seen: string[] = [];
      const serializer: Serializer = {
        name: 'marked',
        serialize: (value) => Buffer.from(`<<${JSON.stringify(value)}>>`),
        deserialize: (bytes) => {
          seen.push(Buffer.from(bytes).toString());
          return JSON.parse(Buffer.from(bytes).toString().slice(2, -2));
        },
      };
      const operations = of(createRegion({ namespace: '', serializer }).configure(driver));
      await operations.set('k', { a: 1 });
      await operations.setMulti({ m: 'x' });
      expect(await operations.get('k')).toEqual({ a: 1 });
      expect(await operations.getMulti(['m'])).toEqual(['x']);
      expect(seen).toEqual(['<<{"a":1}>>', '<<"x">>']);
      const stored = driver.get('k') as Buffer;
      expect(stored.toString('latin1').endsWith('<<{"a":1}>>')).toBe(true);
      expect(stored.length - '<<{"a":1}>>'.length).toBeLessThanOrEqual(16);
    },
  );

  test('24: what it throws is the cause of a SerializationError', async () => {
    for (const thrown of [new Error('no'), 'no']) {
      const serializer: Serializer = {
        ...jsonSerializer,
        serialize: () => {
          throw thrown;
        },
      };
      const { region } = regionOn('memory-pickle', {}, { serializer });
      const error = await failureOf(() => region.set('k', 1));
      expect(error).toMatchObject({ code: 'ERR_STOCKPILE_SERIALIZATION', key: 'k', cause: thrown });
      expect(error.message).toContain('no');
    }
  });

  test('70: is not asked where values are kept as they are', async () => {
    const serializer: Serializer = {
      name: 'never',
      serialize: () => {
        throw new Error('asked');
      },
      deserialize: () => {
        throw new Error('asked');
      },
    };
    const { region } = regionOn('memory', {}, { serializer });
    const point = new Point();
    await region.set('k', point);
    expect(await region.get('k')).toBe(point);
  });
});
