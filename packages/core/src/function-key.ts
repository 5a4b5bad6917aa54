/** The keys of cached functions: a text that tells apart what is different, the same in every process. */

import { createHash } from 'node:crypto';
import { types } from 'node:util';
import { builtInClass } from './built-in-class.js';
import { show } from './duration.js';
import { ValidationError } from './errors.js';

/**
 * Any function at all. Not `(...args) => …`: where a function is taken, a signature would be its contextual type, and turn
 * parameters with a default and no annotation into `unknown`.
 */
// biome-ignore lint/complexity/noBannedTypes: see above
export type AnyFunction = Function;

/**
 * Makes the key builder of a cached function. `name` is unique in the region for its namespace.
 * @example
 * const byFirstArgument: FunctionKeyGenerator = ({ name }) => (id) => `${name}/${id}`;
 */
export type FunctionKeyGenerator = (of: FunctionIdentity) => (...args: readonly unknown[]) => string;

export interface FunctionIdentity {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly fn: AnyFunction;
}

/**
 * The default: `name(arg,arg)` with every argument in a notation that keeps types apart: `1`, `"1"`, `1n`, `null` and
 * `undefined` differ; properties and sets are sorted; trailing `undefined` is dropped, since a call cannot tell it from
 * nothing. What has no such notation (functions, symbols, instances of classes) is refused.
 */
export const structuredFunctionKey: FunctionKeyGenerator = ({ name, namespace }) => {
  const prefix = `${namespace === undefined ? '' : `${escapeName(namespace)}/`}${escapeName(name)}`;
  return (...args) => {
    const last = args.findLastIndex((arg) => arg !== undefined);
    return `${prefix}(${args
      .slice(0, last + 1)
      .map((arg) => encodeArgument(arg, []))
      .join(',')})`;
  };
};

/** Keeps '/' and '(' of a name apart from those of the notation; a name with a lone surrogate is refused as a key is. */
function escapeName(name: string): string {
  return name.replace(/[%/(]/g, encodeURIComponent);
}

/** The name of a function: its own, or one made of its text. */
export function functionName(fn: AnyFunction): string {
  return fn.name || `anonymous-${createHash('sha256').update(fn.toString()).digest('base64url').slice(0, 16)}`;
}

/** `above`: the objects that hold this one, to find cycles. */
function encodeArgument(value: unknown, above: readonly object[]): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'object':
      return value === null ? 'null' : encodeObject(value, above);
    default:
      throw refusal(value);
  }
}

function encodeObject(value: object, above: readonly object[]): string {
  if (above.includes(value)) throw new ValidationError(`an argument refers to itself; ${REMEDY}`);
  const within = [...above, value];
  const encode = (part: unknown): string => encodeArgument(part, within);
  const builtIn = builtInClass(value);
  if (builtIn === undefined || hasMore(value)) throw refusal(value);
  if (Array.isArray(value)) return `[${Array.from(value, encode).join(',')}]`;
  if (types.isDate(value)) return `Date(${value.getTime()})`;
  if (types.isRegExp(value)) return `RegExp(${JSON.stringify(value.source)},${value.flags})`;
  if (types.isSet(value)) return `Set(${Array.from(value, encode).sort().join(',')})`;
  if (types.isMap(value))
    return `Map(${Array.from(value, ([k, v]) => `${encode(k)}:${encode(v)}`)
      .sort()
      .join(',')})`;
  if (ArrayBuffer.isView(value)) return `${builtIn}(${base64(value.buffer, value.byteOffset, value.byteLength)})`;
  if (types.isAnyArrayBuffer(value)) return `${builtIn}(${base64(value, 0, value.byteLength)})`;
  if (value instanceof URL) return `URL(${JSON.stringify(value.href)})`;
  if (builtIn !== 'Object') throw refusal(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${encode((value as Record<string, unknown>)[name])}`).join(',')}}`;
}

/** Whether it carries what the notation would leave out: symbols, or properties beside the elements of an array. */
function hasMore(value: object): boolean {
  if (Object.getOwnPropertySymbols(value).length > 0) return true;
  return Array.isArray(value) && Object.keys(value).some((name) => !/^\d+$/.test(name));
}

function base64(buffer: ArrayBufferLike, offset: number, length: number): string {
  return Buffer.from(buffer, offset, length).toString('base64url');
}

const REMEDY = 'give cacheFunction the option key: (...args) => what identifies the call';

function refusal(value: unknown): ValidationError {
  return new ValidationError(`argument ${show(value)} has no place in a key; ${REMEDY}`);
}
