/** Which values belong to the language's own classes, in any realm: only these keep their type when written down. */

import { types } from 'node:util';

const ERRORS = ['Error', 'EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError'];

/**
 * The name of the built-in class that `value` is a direct instance of, `'Object'` for plain objects; undefined for
 * instances of the application's classes, those that extend a built-in included.
 */
export function builtInClass(value: object): string | undefined {
  const prototype: { constructor?: { name?: unknown } } | null = Object.getPrototypeOf(value);
  // a prototype without a prototype is some realm's Object.prototype
  if (prototype === null || Object.getPrototypeOf(prototype) === null) return 'Object';
  const name = prototype.constructor?.name;
  return typeof name === 'string' && candidates(value).includes(name) ? name : undefined;
}

/** What `value` is by its internal slots, whatever its prototype says. */
function candidates(value: object): readonly string[] {
  if (Array.isArray(value)) return ['Array'];
  if (types.isMap(value)) return ['Map'];
  if (types.isSet(value)) return ['Set'];
  if (types.isDate(value)) return ['Date'];
  if (types.isRegExp(value)) return ['RegExp'];
  if (types.isNativeError(value)) return ERRORS;
  if (Buffer.isBuffer(value)) return ['Buffer', 'FastBuffer'];
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) || types.isBoxedPrimitive(value)) {
    return [Object.prototype.toString.call(value).slice('[object '.length, -1)];
  }
  return value instanceof URL ? ['URL'] : [];
}
