/** The keys of cached functions: one text for one call, in every process. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { createRegion, structuredFunctionKey } from '@stockpile/core';
import fc from 'fast-check';

const build = structuredFunctionKey({ name: 'f', namespace: undefined, fn: () => {} });
const VALIDATION = expect.objectContaining({
  code: 'ERR_STOCKPILE_VALIDATION',
  message: expect.stringMatching(/key: \(\.\.\.args\)/),
});

class Point {
  constructor(
    readonly x = 1,
    readonly y = 2,
  ) {}
}

describe('two lists of arguments', () => {
  test.each<[unknown[], unknown[]]>([
    [
      ['a b', 'c'],
      ['a', 'b c'],
    ],
    [['a,b'], ['a', 'b']],
    [['a","b'], ['a', 'b']],
    [[1], ['1']],
    [[1], [1n]],
    [['1'], [1n]],
    [['1n'], [1n]],
    [[null], ['null']],
    [[null], [undefined]],
    [[null], []],
    [[undefined, 1], [1]],
    [
      [undefined, 1],
      [null, 1],
    ],
    [
      ['undefined', 1],
      [undefined, 1],
    ],
    [[true], ['true']],
    [[true], [1]],
    [[''], []],
    [[[]], []],
    [[[]], [{}]],
    [[[1, 2]], [1, 2]],
    [[[1, [2]]], [[[1], 2]]],
    [[{ a: 1 }], [{ a: '1' }]],
    [[{ a: undefined }], [{}]],
    [[{ a: 1, b: 2 }], [{ a: 1 }, { b: 2 }]],
    [[new Date(0)], [0]],
    [[new Date(0)], ['1970-01-01T00:00:00.000Z']],
    [[new Date(Number.NaN)], [Number.NaN]],
    [[/a/], ['/a/']],
    [[/a/], [/a/i]],
    [[new Set([1])], [[1]]],
    [[new Set([1])], [new Set(['1'])]],
    [[new Map([[1, 2]])], [{ 1: 2 }]],
    [[new Map([[1, 2]])], [new Map([['1', 2]])]],
    [[new Map([[1, 2]])], [[[1, 2]]]],
    [[new Uint8Array([1])], [[1]]],
    [[new Uint8Array([1])], [new Int8Array([1])]],
    [[new Uint8Array([1])], [Buffer.from([1])]],
    [[new Uint8Array([1])], [new Uint8Array([1]).buffer]],
    [[new URL('http://a/')], ['http://a/']],
    [['\ud800'], ['\\ud800']],
    [['\ud800'], ['\ud801']],
    [['é'], ['e\u0301']],
    [[Number.NaN], ['NaN']],
    [[Infinity], [-Infinity]],
    [[1e21], [10n ** 21n]],
    [[[1]], [Object.assign([1], { extra: 2 })]],
  ])('63: %p and %p have two keys', (one, other) => {
    const keyOf = (args: unknown[]): string => {
      try {
        return build(...args);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_STOCKPILE_VALIDATION' }); // to be refused is as good
        return `refused ${Math.random()}`;
      }
    };
    expect(keyOf(one)).not.toBe(keyOf(other));
  });

  test.each<[unknown[], unknown[]]>([
    [[{ a: 1, b: 2 }], [{ b: 2, a: 1 }]],
    [[{ o: { a: 1, b: 2 } }], [{ o: { b: 2, a: 1 } }]],
    [[1, undefined], [1]],
    [[undefined], []],
    [
      [1, undefined, undefined],
      [1, undefined],
    ],
    [[new Set([1, 2])], [new Set([2, 1])]],
    [
      [
        new Map([
          [1, 2],
          [3, 4],
        ]),
      ],
      [
        new Map([
          [3, 4],
          [1, 2],
        ]),
      ],
    ],
    [[Object.assign(Object.create(null), { a: 1 })], [{ a: 1 }]],
    [[1.0], [1]],
    [[Number.NaN], [0 / 0]],
    [[new Date(5)], [new Date(5)]],
    [[Buffer.from('ab')], [Buffer.concat([Buffer.from('a'), Buffer.from('b')])]],
    [[new Uint16Array([9, 1, 2]).subarray(1)], [new Uint16Array([1, 2])]],
  ])('63: %p and %p have one key', (one, other) => {
    expect(build(...one)).toBe(build(...other));
  });

  const leaf = fc
    .oneof(
      fc.string({ unit: fc.constantFrom('a', '"', ',', '(', ')', '[', ':', '\\', '1', 'n', ' ', '\ud800') }),
      fc.integer({ min: -2, max: 12 }),
      fc.double(),
      fc.bigInt({ min: -2n, max: 12n }),
      fc.boolean(),
      fc.constantFrom(null, undefined, 'null', 'undefined', 'NaN', '1n'),
      fc.date({ min: new Date(0), max: new Date(3) }),
      fc.uint8Array({ maxLength: 2 }),
    )
    .map((value) => (Object.is(value, -0) ? 0 : value));
  const { argument } = fc.letrec<{ argument: unknown }>((tie) => ({
    argument: fc.oneof(
      { maxDepth: 3, withCrossShrink: true },
      leaf,
      fc.array(tie('argument'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'a"', ''), tie('argument'), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
      fc.array(leaf, { maxLength: 3 }).map((elements) => new Set(elements)),
      fc.array(fc.tuple(leaf, tie('argument')), { maxLength: 3 }).map((pairs) => new Map(pairs)),
    ),
  }));
  /** Dropped as the caller's call would: trailing undefined. */
  const trimmed = (args: readonly unknown[]): unknown[] =>
    args.slice(0, args.findLastIndex((arg) => arg !== undefined) + 1);
  const equal = (one: unknown, other: unknown): boolean => {
    try {
      expect(one).toStrictEqual(other);
      return true;
    } catch {
      return false;
    }
  };

  test('63: have one key if and only if they are deeply equal', () => {
    const lists = fc.array(argument, { maxLength: 3 });
    fc.assert(
      fc.property(lists, lists, (one, other) => {
        expect(build(...one) === build(...other)).toBe(equal(trimmed(one), trimmed(other)));
      }),
      { numRuns: 2000 },
    );
  });

  test('63: a list and its clone, with properties in another order, have one key', () => {
    const reordered = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(reordered);
      if (value instanceof Set) return new Set([...value].reverse());
      if (value instanceof Map) return new Map([...value].reverse().map(([k, v]) => [k, reordered(v)]));
      if (typeof value !== 'object' || value === null || value instanceof Date || ArrayBuffer.isView(value))
        return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([k, v]) => [k, reordered(v)]),
      );
    };
    fc.assert(
      fc.property(fc.array(argument, { maxLength: 3 }), (args) => {
        expect(build(...(reordered(args) as unknown[]))).toBe(build(...args));
      }),
      { numRuns: 500 },
    );
  });
});

describe('an argument without a place in a key', () => {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = [cyclic];

  test.each<[string, unknown]>([
    ['a function', () => {}],
    ['a class', Point],
    ['a symbol', Symbol('s')],
    ['an instance of a class', new Point()],
    ['an instance of a class that extends Array', new (class List extends Array<number> {})()],
    ['an instance of a class that extends Map', new (class Table extends Map {})()],
    ['an instance of a class that extends Date', new (class Day extends Date {})(0)],
    ['an error', new Error('e')],
    ['a promise', Promise.resolve(1)],
    ['a WeakMap', new WeakMap()],
    ['a boxed number', Object(5)],
    ['an object with a symbol property', { [Symbol('s')]: 1 }],
    ['a cycle', cyclic],
    ['a proxy of an instance', new Proxy(new Point(), {})],
  ])('63: %s is refused, with the way out, wherever it stands', (_name, value) => {
    for (const args of [
      [value],
      [1, value],
      [[value]],
      [{ a: { b: value } }],
      [new Set([value])],
      [new Map([['a', value]])],
      [new Map([[value, 1]])],
    ]) {
      expect(() => build(...args)).toThrow(VALIDATION);
    }
  });

  test('63: one object twice is no cycle', () => {
    const shared = { a: 1 };
    expect(build(shared, shared, [shared, shared])).toBe(build({ a: 1 }, { a: 1 }, [{ a: 1 }, { a: 1 }]));
  });

  test('63: the call rejects and nothing is called', async () => {
    const region = createRegion().configure('null');
    let calls = 0;
    const load = region.cacheFunction((_p: unknown) => ++calls, { name: 'load' });
    await expect(load(new Point())).rejects.toThrow(VALIDATION);
    await expect(load.get(new Point())).rejects.toThrow(VALIDATION);
    expect(() => load.key(new Point())).toThrow(VALIDATION);
    expect(calls).toBe(0);
  });
});

describe('the name in a key', () => {
  test('62: names, namespaces and arguments never run into each other', () => {
    const text = fc.string({
      unit: fc.constantFrom('f', '(', ')', '/', '"', ',', '1', '%', ':', 'é'),
      minLength: 1,
      maxLength: 4,
    });
    const identity = fc.record({ name: text, namespace: fc.option(text, { nil: undefined }) });
    const args = fc.array(fc.oneof(text, fc.nat(1)), { maxLength: 2 });
    const keyOf = (of: { name: string; namespace: string | undefined }, given: readonly unknown[]): string =>
      structuredFunctionKey({ ...of, fn: () => {} })(...given);
    fc.assert(
      fc.property(identity, args, identity, args, (one, given, other, otherGiven) => {
        expect(keyOf(one, given) === keyOf(other, otherGiven)).toBe(equalJson([one, given], [other, otherGiven]));
      }),
      { numRuns: 1000 },
    );
  });

  function equalJson(one: unknown, other: unknown): boolean {
    const text = (value: unknown): string =>
      JSON.stringify(value, (_, v: unknown) => (v === undefined ? '<undefined>' : v));
    return text(one) === text(other);
  }

  test('a name that is no well-formed text is a ValidationError, not a URIError', () => {
    const region = createRegion();
    for (const name of ['\ud800', 5 as unknown as string]) {
      expect(() => region.cacheFunction((n: number) => n, { name })).toThrow(
        expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
      );
    }
  });

  test('the keys are readable', () => {
    expect(build(1, 'a', null, { b: [true], a: 2n })).toBe('f(1,"a",null,{"a":2n,"b":[true]})');
    expect(structuredFunctionKey({ name: 'f', namespace: 'ns', fn: () => {} })()).toBe('ns/f()');
  });
});

test('62: another process builds the same keys', async () => {
  const calls = `[
    [], [1, 'a b', null, undefined, 2n, true, -5.25, NaN, 1e21],
    [{ b: [1, { z: 1, a: 2 }], a: new Date(1234) }, new Set(['b', 'a', 3]), new Map([['y', 1], ['x', { q: 1 }]])],
    ['é😀\\u0000"\\\\', /a"b/gi, new URL('https://example.org/?q=1'), new Uint8Array([1, 2, 255]), Buffer.from('hi')],
  ]`;
  const script = `
    import { createRegion } from '@stockpile/core';
    const region = createRegion();
    const named = region.cacheFunction(function load() {}, { namespace: 'ns:1' });
    const anonymous = region.cacheFunction(async (id) => id * 2);
    console.log(JSON.stringify(${calls}.flatMap((args) => [named.key(...args), anonymous.key(...args)])));
  `;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const region = createRegion();
  const named = region.cacheFunction(function load() {} as (...args: readonly unknown[]) => void, {
    namespace: 'ns:1',
  });
  // made of its text, so that no compiler changes it
  const anonymous = region.cacheFunction(
    new Function('return async (id) => id * 2')() as (...args: readonly unknown[]) => unknown,
  );
  const lists = new Function(`return ${calls}`)() as unknown[][];
  expect(lists.flatMap((args) => [named.key(...args), anonymous.key(...args)])).toEqual(JSON.parse(stdout));
});

test('62: an option key that answers undefined is refused: all such calls would share one entry', async () => {
  const region = createRegion().configure('memory');
  const load = region.cacheFunction(async (user: { id?: number; name: string }) => user.name, {
    name: 'load',
    key: (user) => user.id,
  });
  const refused = expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringMatching(/key/) });
  await expect(load({ name: 'ann' })).rejects.toEqual(refused);
  expect(() => load.key({ name: 'bob' })).toThrow(refused);
  expect(await load({ id: 1, name: 'ann' })).toBe('ann');
  const many = region.cacheMultiFunction(async (users: readonly { id?: number }[]) => users.map(() => 1), {
    name: 'many',
    key: (user) => user.id,
  });
  await expect(many([{ id: 1 }, {}])).rejects.toEqual(refused);
});
