/** Equality of values that may come from different realms (jest runs tests in a realm of their own). */

import assert from 'node:assert/strict';
import { types } from 'node:util';
import { deserialize, serialize } from 'node:v8';

/**
 * Throws an AssertionError unless both are deeply the same: a Date is no plain object, a Map no object, a Buffer no
 * Uint8Array, -0 not 0, a property of `undefined` not a missing one. Prototypes of another realm count as equal, save
 * in an array that holds symbols. Takes what the structured clone algorithm takes, and symbols such as `NO_VALUE`.
 * @example assertSame(await region.get('user'), { name: 'Ada', born: new Date(0) });
 */
export function assertSame(actual: unknown, expected: unknown, message?: string): void {
  const [found, wanted] = [kindOf(actual), kindOf(expected)];
  if (found !== wanted) {
    assert.fail(`${message === undefined ? '' : `${message}: `}expected ${wanted}, found ${found}`);
  }
  if (typeof expected !== 'object' || expected === null) assert.strictEqual(actual, expected, message);
  else if (hasSymbols(expected) || hasSymbols(actual)) assert.deepStrictEqual(actual, expected, message);
  else assert.deepStrictEqual(oneRealm(actual), oneRealm(expected), message);
}

/** What kind of thing `value` is, whatever realm made it. */
function kindOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  if (Array.isArray(value)) return 'an array';
  if (Buffer.isBuffer(value)) return 'a Buffer';
  if (ArrayBuffer.isView(value)) return `a ${Object.prototype.toString.call(value).slice(8, -1)}`;
  if (types.isAnyArrayBuffer(value)) return 'an ArrayBuffer';
  if (types.isDate(value)) return 'a Date';
  if (types.isMap(value)) return 'a Map';
  if (types.isSet(value)) return 'a Set';
  if (types.isRegExp(value)) return 'a RegExp';
  if (types.isNativeError(value)) return 'an Error';
  return types.isPromise(value) ? 'a promise' : 'an object';
}

/** An array with misses in it: symbols cannot be copied. */
function hasSymbols(value: unknown): boolean {
  return Array.isArray(value) && value.some((item) => typeof item === 'symbol');
}

/** A copy whose objects all belong to the realm of node:v8. */
function oneRealm(value: unknown): unknown {
  return deserialize(serialize(value));
}
