/** Functions whose results are cached: cacheFunction, cacheMultiFunction and the @cached decorator. */

import type { Awaitable } from './awaitable.js';
import { NO_VALUE, type NoValue } from './cached-value.js';
import { type Duration, show } from './duration.js';
import { ValidationError } from './errors.js';
import { type AnyFunction, type FunctionKeyGenerator, functionName, structuredFunctionKey } from './function-key.js';
import { alignAnswer, type MultiAnswer } from './multi-creator.js';
import { checkOptions, type GetOrCreateOptions } from './options.js';
import type { Region } from './region.js';

export interface CacheFunctionOptions<A extends readonly unknown[] = readonly unknown[], V = unknown, T = unknown>
  extends Omit<GetOrCreateOptions<V>, 'expirationTime' | 'signal'> {
  /** Default: the function's own name. Must be unique in the region (and namespace). */
  readonly name?: string;
  /** Sets apart functions of one name. */
  readonly namespace?: string;
  /** What identifies a call, in place of its arguments: drop a connection, add an instance's id. */
  readonly key?: (this: T, ...args: A) => unknown;
  /** In place of the region's; a function is evaluated for every call. */
  readonly expirationTime?: Duration | ((...args: A) => Duration);
}

export type ThisOf<F> = F extends (this: infer T, ...args: never[]) => unknown ? T : unknown;
export type ArgsOf<F> = F extends (...args: infer A) => unknown ? A : never;
export type ResultOf<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;
/** Refuses a function whose results are not of the region's type. */
export type FitsRegion<F, V> = [ResultOf<F>] extends [V] ? unknown : { readonly returns: V };

/** A cached function. All its methods address the entry that a call with the same arguments would. */
export interface CachedFunction<T, A extends readonly unknown[], V> {
  (this: T, ...args: A): Promise<V>;
  /** The fresh value, or `NO_VALUE`; never creates. */
  get(this: unknown, ...args: A): Promise<V | NoValue>;
  set(this: unknown, value: V, ...args: A): Promise<void>;
  delete(this: unknown, ...args: A): Promise<boolean>;
  /** Calls the function under the mutex, stores and returns the new value. */
  refresh(this: unknown, ...args: A): Promise<V>;
  /** The key, as the region's methods take it. */
  key(this: unknown, ...args: A): string;
  /** The plain function. */
  readonly original: (this: T, ...args: A) => Awaitable<V>;
}

/** See `Region.cacheFunction`. */
export function cacheFunction<T, A extends readonly unknown[], V>(
  region: Region<unknown>,
  fn: (this: T, ...args: A) => Awaitable<V>,
  options: CacheFunctionOptions<A, V, T> = {},
): CachedFunction<T, A, V> {
  checkOptions(options);
  const { key: identify, name, namespace, expirationTime, ...defaults } = options;
  const build = keyBuilder(region, fn, name, namespace);
  const keyOf = (self: unknown, args: A): string => {
    return identify === undefined ? build(...args) : build(identified(identify.apply(self as T, args as never)));
  };
  const callOptions = (args: A): GetOrCreateOptions => ({
    ...(defaults as GetOrCreateOptions),
    ...(expirationTime !== undefined && {
      expirationTime: typeof expirationTime === 'function' ? expirationTime(...args) : expirationTime,
    }),
  });
  const ageOf = (args: A): GetOrCreateOptions => {
    const { expirationTime } = callOptions(args);
    return expirationTime === undefined ? {} : { expirationTime };
  };
  const { tags } = defaults;
  /** `cached.refresh(…)` has the cached function for its `this`; a call with an instance has the instance. */
  const self = (given: unknown): T => (given === cached ? undefined : given) as T;

  const cached = namedLike(fn, async function (this: T, ...args: A) {
    return region.getOrCreate(keyOf(this, args), () => fn.apply(this, args as never), callOptions(args)) as Promise<V>;
  });
  return Object.assign(cached, {
    async get(this: unknown, ...args: A) {
      return (await region.get(keyOf(self(this), args), ageOf(args))) as V | NoValue;
    },
    async set(this: unknown, value: V, ...args: A) {
      await region.set(keyOf(self(this), args), value, { ...ageOf(args), ...(tags && { tags }) });
    },
    async delete(this: unknown, ...args: A) {
      return region.delete(keyOf(self(this), args));
    },
    async refresh(this: unknown, ...args: A) {
      const target = self(this);
      return (await region.refresh(keyOf(target, args), () => fn.apply(target, args as never), callOptions(args))) as V;
    },
    key(this: unknown, ...args: A) {
      return keyOf(self(this), args);
    },
    original: fn,
  }) as CachedFunction<T, A, V>;
}

/** A cached function of many: one key for each element of its argument. */
export interface CachedMultiFunction<T, E, V> {
  (this: T, elements: readonly E[]): Promise<V[]>;
  /** Aligned with `elements`; holes are `NO_VALUE`. */
  get(this: unknown, elements: readonly E[]): Promise<(V | NoValue)[]>;
  /** `values` aligned with `elements`. */
  set(this: unknown, values: readonly V[], elements: readonly E[]): Promise<void>;
  /** How many were there. */
  delete(this: unknown, elements: readonly E[]): Promise<number>;
  refresh(this: unknown, elements: readonly E[]): Promise<V[]>;
  key(this: unknown, element: E): string;
  readonly original: (this: T, elements: readonly E[]) => Awaitable<MultiAnswer<V>>;
}

/** See `Region.cacheMultiFunction`. */
export function cacheMultiFunction<T, E, V>(
  region: Region<unknown>,
  fn: (this: T, elements: readonly E[]) => Awaitable<MultiAnswer<V>>,
  options: CacheFunctionOptions<readonly [E], V, T> = {},
): CachedMultiFunction<T, E, V> {
  checkOptions(options);
  const { key: identify, name, namespace, expirationTime, ...defaults } = options;
  const build = keyBuilder(region, fn, name, namespace);
  const self = (given: unknown): T => (given === cached ? undefined : given) as T;
  const keyOf = (target: unknown, element: E): string =>
    build(identify === undefined ? element : identified(identify.call(target as T, element)));
  const keysOf = (target: unknown, elements: readonly E[]): string[] =>
    elements.map((element) => keyOf(target, element));
  const age = (): { expirationTime?: Duration } =>
    expirationTime === undefined
      ? {}
      : {
          expirationTime: typeof expirationTime === 'function' ? (expirationTime as () => Duration)() : expirationTime,
        };
  /** The creator of the region's multi forms: asks `fn` for the elements of the missing keys. */
  const creatorFor = (target: T, elements: readonly E[], keys: readonly string[]) => {
    const elementOf = new Map(keys.map((key, i) => [key, elements[i] as E]));
    return async (missing: readonly string[]): Promise<readonly V[]> => {
      const wanted = missing.map((key) => elementOf.get(key) as E);
      const answer = await fn.call(target, wanted);
      // a Map or object of the function is by its own elements, not by our keys
      if (answer instanceof Map)
        return missing.map((_, i) => (answer.has(wanted[i]) ? answer.get(wanted[i]) : NO_VALUE));
      return Array.isArray(answer) ? answer : (alignAnswer(answer, wanted.map(String)) as V[]);
    };
  };
  const cached = namedLike(fn, async function (this: T, elements: readonly E[]) {
    const keys = keysOf(this, elements);
    return region.getOrCreateMulti(keys, creatorFor(this, elements, keys), {
      ...(defaults as GetOrCreateOptions),
      ...age(),
    }) as Promise<V[]>;
  });
  return Object.assign(cached, {
    async get(this: unknown, elements: readonly E[]) {
      return (await region.getMulti(keysOf(self(this), elements), age())) as (V | NoValue)[];
    },
    async set(this: unknown, values: readonly V[], elements: readonly E[]) {
      const keys = keysOf(self(this), elements);
      const pairs = alignAnswer(values, keys).map((value, i) => [keys[i] as string, value] as const);
      await region.setMulti(pairs, { ...age(), ...(defaults.tags && { tags: defaults.tags }) });
    },
    async delete(this: unknown, elements: readonly E[]) {
      return region.deleteMulti(keysOf(self(this), elements));
    },
    async refresh(this: unknown, elements: readonly E[]) {
      const target = self(this);
      const keys = keysOf(target, elements);
      const create = creatorFor(target, elements, keys);
      const refreshOne = async (key: string): Promise<unknown> =>
        region.refresh(key, async () => (await create([key]))[0], { ...(defaults as GetOrCreateOptions), ...age() });
      return (await Promise.all(keys.map(refreshOne))) as V[];
    },
    key(this: unknown, element: E) {
      return keyOf(self(this), element);
    },
    original: fn,
  }) as CachedMultiFunction<T, E, V>;
}

/**
 * Caches a method: a standard decorator (stage 3). All instances share the entries, unless `key` tells them apart.
 * @example
 * class Users {
 *   constructor(readonly tenant: string) {}
 *   @cached(region, { key(this: Users, id: string) { return [this.tenant, id]; } })
 *   async load(id: string) { … }
 * }
 */
export function cached<T, A extends readonly unknown[], V>(
  region: Region<never> | Region<unknown>,
  options: CacheFunctionOptions<A, V, T> = {},
): (
  method: (this: T, ...args: A) => Promise<V>,
  context: ClassMethodDecoratorContext<T>,
) => (this: T, ...args: A) => Promise<V> {
  return (method, context) =>
    cacheFunction<T, A, V>(region as Region<unknown>, method, { name: String(context.name), ...options });
}

const builtNames = new WeakMap<object, Map<string, unknown>>();

function keyBuilder(
  region: Region<unknown>,
  fn: AnyFunction,
  name: string | undefined,
  namespace: string | undefined,
): ReturnType<FunctionKeyGenerator> {
  if (typeof fn !== 'function') throw new ValidationError(`cacheFunction: needs a function, not ${typeof fn}`);
  const identity = { name: name ?? functionName(fn), namespace, fn };
  for (const [option, text] of Object.entries({ name: identity.name, namespace })) {
    if (text !== undefined && (typeof text !== 'string' || !text.isWellFormed())) {
      throw new ValidationError(`cacheFunction: ${option} must be a well-formed string, not ${show(text)}`);
    }
  }
  const taken = builtNames.get(region) ?? new Map<string, unknown>();
  builtNames.set(region, taken);
  const id = JSON.stringify([namespace, identity.name]);
  if (taken.has(id) && taken.get(id) !== fn) {
    throw new ValidationError(
      `cacheFunction: another function named '${identity.name}' is cached in region '${region.name}'; give this one the option name`,
    );
  }
  taken.set(id, fn);
  return (region.functionKeyGenerator ?? structuredFunctionKey)(identity);
}

/** What the option `key` answered; undefined would give one entry to all for whom it is missing. */
function identified(identity: unknown): unknown {
  if (identity !== undefined) return identity;
  throw new ValidationError('cacheFunction: the option key answered undefined; it must identify the call');
}

/** Gives `wrapper` the name and length of `fn`. */
function namedLike<F extends object>(fn: AnyFunction, wrapper: F): F {
  Object.defineProperty(wrapper, 'name', { value: fn.name, configurable: true });
  Object.defineProperty(wrapper, 'length', { value: fn.length, configurable: true });
  return wrapper;
}
