import { deserialize, serialize } from 'node:v8';
import { describe, expect, test } from '@jest/globals';
import { NO_VALUE } from '@stockpile/core';
import { assertSame } from '../src/index.js';

const cycle: unknown[] = [];
cycle.push(cycle);

const SAME: readonly [string, unknown, unknown][] = [
  ['objects of two realms', { a: [1, new Date(0)] }, deserialize(serialize({ a: [1, new Date(0)] }))],
  ['Maps of two realms', new Map([['a', new Set([1])]]), deserialize(serialize(new Map([['a', new Set([1])]])))],
  ['NaN', Number.NaN, Number.NaN],
  ['misses', NO_VALUE, NO_VALUE],
  ['arrays with misses', [1, NO_VALUE], [1, NO_VALUE]],
  ['cycles', cycle, deserialize(serialize(cycle))],
  ['objects without a prototype', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
];

const DIFFERENT: readonly [string, unknown, unknown][] = [
  ['a Date and its number', new Date(0), 0],
  ['a Date and an object', new Date(0), {}],
  ['a Map and an object', new Map([['a', 1]]), { a: 1 }],
  ['a nested Map and an object', { m: new Map() }, { m: {} }],
  ['-0 and 0', -0, 0],
  ['a nested -0 and 0', [-0], [0]],
  ['a Buffer and a Uint8Array', Buffer.of(1), Uint8Array.of(1)],
  ['a nested Buffer and a Uint8Array', [Buffer.of(1)], [Uint8Array.of(1)]],
  ['undefined and nothing', { a: undefined }, {}],
  ['undefined and null', undefined, null],
  ['a text and a number', '1', 1],
  ['a number and a BigInt', 1, 1n],
  ['an array and an object', [], {}],
  ['a miss and undefined', NO_VALUE, undefined],
  ['arrays with misses elsewhere', [1, NO_VALUE], [NO_VALUE, 1]],
  ['two typed arrays', Float32Array.of(1), Float64Array.of(1)],
  ['a promise and its value', Promise.resolve(1), 1],
];

describe('assertSame()', () => {
  for (const [what, a, b] of SAME) {
    test(`takes as the same: ${what}`, () => {
      expect(() => assertSame(a, b)).not.toThrow();
    });
  }

  for (const [what, a, b] of DIFFERENT) {
    test(`tells apart: ${what}`, () => {
      expect(() => assertSame(a, b)).toThrow();
      expect(() => assertSame(b, a)).toThrow();
    });
  }
});
