/** Creators of many values: what they receive, and how their answer is read. */

import type { Awaitable } from './awaitable.js';
import { NO_VALUE } from './cached-value.js';
import type { CreatorContext, Writers } from './creator.js';
import { show } from './duration.js';
import { ValidationError } from './errors.js';

/** What a multi creator receives beside the missing keys. What it says holds for all values of the call. */
export interface MultiCreatorContext<V = unknown> extends Pick<CreatorContext, 'signal'>, Writers {
  /** The missing keys, each once, in request order. */
  readonly keys: readonly string[];
  /** The values that are being replaced, where there are any to serve. */
  readonly stale: ReadonlyMap<string, V>;
}

/** An array aligned with the keys, or a Map or plain object by key; what more these hold is ignored. */
export type MultiAnswer<V> = readonly V[] | ReadonlyMap<string, V> | Readonly<Record<string, V>>;

/** Computes the values of all missing keys in one call. */
export type MultiCreator<V> = (keys: readonly string[], context: MultiCreatorContext<V>) => Awaitable<MultiAnswer<V>>;

/** The answer aligned with `keys`. Throws a `ValidationError` that names the keys left without a value. */
export function alignAnswer(answer: unknown, keys: readonly string[]): unknown[] {
  const isMap = answer instanceof Map;
  if (typeof answer !== 'object' || answer === null) {
    throw new ValidationError(`the creator must answer with an array, a Map or an object, not ${show(answer)}`, {
      keys,
    });
  }
  if (Array.isArray(answer) && answer.length > keys.length) {
    throw new ValidationError(
      `the creator answered ${answer.length} values for ${keys.length} keys; one for each, in their order`,
      { keys },
    );
  }
  const has = (key: string, i: number): boolean =>
    isMap ? answer.has(key) : Object.hasOwn(answer, Array.isArray(answer) ? i : key);
  const at = (key: string, i: number): unknown =>
    isMap ? answer.get(key) : (answer as Record<string | number, unknown>)[Array.isArray(answer) ? i : key];
  const missing = keys.filter((key, i) => !has(key, i) || at(key, i) === NO_VALUE);
  if (missing.length > 0) {
    throw new ValidationError(
      `the creator gave no value for ${missing.length} of ${keys.length} keys: ${show(missing.join(', '))}`,
      {
        keys: missing,
      },
    );
  }
  return keys.map(at);
}
