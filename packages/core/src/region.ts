/** The region: what applications talk to. Over 300 lines, since each method carries its documentation. */

import { type Awaitable, attempt, promised } from './awaitable.js';
import type { CacheBackend, Capability } from './backend.js';
import type { NoValue } from './cached-value.js';
import { systemClock } from './clock.js';
import { readConfiguration } from './config.js';
import type { Creator, CreatorContext } from './creator.js';
import { withDeadline } from './deadline.js';
import { show } from './duration.js';
import {
  RegionAlreadyConfiguredError,
  RegionClosedError,
  RegionNotConfiguredError,
  ValidationError,
} from './errors.js';
import {
  type ArgsOf,
  type CachedFunction,
  type CachedMultiFunction,
  type CacheFunctionOptions,
  cacheFunction,
  cacheMultiFunction,
  type FitsRegion,
  type ResultOf,
  type ThisOf,
} from './function-cache.js';
import type { AnyFunction, FunctionKeyGenerator } from './function-key.js';
import { type InvalidateOptions, LocalInvalidator, type RegionInvalidator, Timeline } from './invalidation.js';
import type { KeyEvent } from './key-events.js';
import { entriesOf, type KeysOptions, keysOf, subscribe, type WaitForOptions, waitFor } from './key-watch.js';
import type { MultiAnswer, MultiCreator } from './multi-creator.js';
import * as operations from './operations.js';
import {
  type ConfigureOptions,
  checkBoolean,
  checkConfigureNames,
  checkFunction,
  checkOptions,
  checkRegionNames,
  type Entry,
  type GetOptions,
  type GetOrCreateOptions,
  type RegionOptions,
  type SetOptions,
} from './options.js';
import { checkProxies, innermost, type ProxyLike, wrapWith } from './proxy.js';
import { readThrough, refresh } from './read-through.js';
import { readThroughMulti } from './read-through-multi.js';
import type { RegionCore } from './region-core.js';
import { structuredSerializer } from './serializer.js';
import { type RegionParts, setUp } from './setup.js';
import { type RegionStats, Stats } from './stats.js';
import { SyncRegion } from './sync-region.js';

/**
 * Makes a region. No backend is touched: regions and cached functions may be made while modules load.
 * @example
 * const users = createRegion<User>({ name: 'users' }).configure('lru', { expirationTime: '10m' });
 * const user = await users.getOrCreate(`user:${id}`, () => db.loadUser(id));
 * @throws ValidationError for a wrong option.
 */
export function createRegion<V = unknown>(options: RegionOptions = {}): Region<V> {
  return new Region<V>(options);
}

/** The type of a created value: the region's, and where it has none, the creator's. */
export type Created<V, T> = unknown extends V ? T : V;

/**
 * Every method rejects with `RegionNotConfiguredError` before `configure`, with `RegionClosedError` after `close`, with
 * `ValidationError` for a key that is no well-formed string of 1 to 65,536 bytes or a wrong option (nothing was sent),
 * and with `BackendUnavailableError` or `BackendTimeoutError` when the backend fails; what else is said at the method.
 */
export class Region<V = unknown> implements AsyncDisposable {
  readonly name: string;
  readonly functionKeyGenerator: FunctionKeyGenerator | undefined;
  readonly #parts: Omit<RegionParts, 'invalidator'>;
  /** What `configure` was given last, else times of its own. */
  #invalidator: RegionInvalidator = new LocalInvalidator();
  #core: RegionCore | undefined;
  #sync: SyncRegion<V> | undefined;
  /** The backend was made by `configure` from a name: `close` closes it. */
  #ownsBackend = false;
  #closing: Promise<void> | undefined;

  constructor(options: RegionOptions = {}) {
    checkOptions(options);
    checkRegionNames(options);
    const { name = 'default', namespace = name, clock = systemClock, serializer = structuredSerializer } = options;
    for (const [option, text] of Object.entries({ name, namespace })) {
      if (typeof text !== 'string' || !text.isWellFormed())
        throw new ValidationError(`${option}: must be a well-formed string, not ${show(text)}`);
    }
    if (typeof clock?.now !== 'function')
      throw new ValidationError(`clock: must have a method now(), not ${show(clock)}`);
    if (typeof serializer?.serialize !== 'function' || typeof serializer.deserialize !== 'function') {
      throw new ValidationError(`serializer: must have serialize() and deserialize(), not ${show(serializer)}`);
    }
    if (options.keyMangler !== false) checkFunction(options.keyMangler, 'keyMangler');
    this.name = name;
    this.functionKeyGenerator = checkFunction(options.functionKeyGenerator, 'functionKeyGenerator');
    this.#parts = {
      name,
      namespace,
      keyMangler: options.keyMangler,
      serializer,
      clock,
      stats: new Stats(name),
      timeline: new Timeline(),
    };
  }

  /**
   * Chooses the backend: a registered name, the name of an installed package (`@stockpile/backend-<name>`, then
   * `stockpile-backend-<name>`), or an instance. Returns the region. If it throws, the region is as before.
   * @example region.configure('lru', { expirationTime: '10m', grace: '1h', arguments: { maxBytes: '128M' } })
   * @throws UnknownBackendError, RegionAlreadyConfiguredError (unless `replaceExistingBackend`), ValidationError
   */
  configure<N extends string>(backend: N | object, options: ConfigureOptions<V, N> = {}): this {
    if (this.#closing) throw this.#unusable();
    checkOptions(options);
    checkConfigureNames(options);
    if (this.#core && !checkBoolean(options.replaceExistingBackend ?? false, 'replaceExistingBackend')) {
      throw new RegionAlreadyConfiguredError(
        `region '${this.name}' is configured with '${this.#core.backend.name}' already; to change it, pass replaceExistingBackend: true`,
        { region: this.name },
      );
    }
    if ((typeof backend !== 'string' && typeof backend !== 'object') || backend === null) {
      throw new ValidationError(`configure: needs the name of a backend or an instance, not ${show(backend)}`);
    }
    const old = this.#core;
    const core = setUp({ ...this.#parts, invalidator: this.#invalidator }, backend, options as ConfigureOptions, old);
    // the old backend is replaced: nobody waits for its end, or hears how it went
    if (old !== undefined && this.#ownsBackend)
      void Promise.resolve(
        attempt(
          () => old.backend.close(),
          () => {},
        ),
      ).catch(() => {});
    this.#invalidator = options.regionInvalidator ?? this.#invalidator;
    this.#ownsBackend = typeof backend === 'string';
    this.#core = core;
    this.#sync = undefined;
    return this;
  }

  /**
   * `configure` from flat text, so that environment variables or an INI file choose the backend: `cache.backend`,
   * `cache.expirationTime`, `cache.arguments.maxItems`, … Values that are no texts pass untouched; other keys are left alone.
   * @example region.configureFromConfig({ 'cache.backend': 'lru', 'cache.expirationTime': '10m' }, 'cache')
   * @throws as `configure`, and ValidationError where `<prefix>.backend` is missing.
   */
  configureFromConfig(config: Readonly<Record<string, unknown>>, prefix = ''): this {
    const { backend, options } = readConfiguration(config, prefix);
    return this.configure(backend, options as ConfigureOptions<V>);
  }

  get isConfigured(): boolean {
    return this.#core !== undefined;
  }

  /** The outermost layer: a proxy, or the backend. */
  get backend(): CacheBackend {
    return this.#configured().backend;
  }

  /** The driver under proxies and serialisation. */
  get actualBackend(): object {
    return innermost(this.#configured().backend);
  }

  /** Puts a proxy around all layers. Returns the region. */
  wrap(proxy: ProxyLike): this {
    const core = this.#configured();
    core.backend = wrapWith(checkProxies([proxy]), core.backend);
    return this;
  }

  /** The same operations without promises. Throws a CapabilityError where the backend is not synchronous. */
  get sync(): SyncRegion<V> {
    if (this.#sync === undefined) {
      this.#configured().require('sync');
      this.#sync = new SyncRegion<V>(() => this.#configured());
    }
    return this.#sync;
  }

  /** Whether the backend, through its proxies, can do it. */
  supports(capability: Capability): boolean {
    return this.#configured().backend.capabilities.has(capability);
  }

  /** Counts since the region was made. */
  stats(): RegionStats {
    return { ...this.#parts.stats.snapshot(), servers: this.#core?.backend.servers?.() ?? [] };
  }

  /** The fresh value, else `NO_VALUE`; never creates. */
  get(key: string, options?: GetOptions): Promise<V | NoValue> {
    return promised(() => operations.get(this.#configured(), key, options) as Awaitable<V | NoValue>);
  }

  /** The value with its state, also while stale within grace; `NO_VALUE` if there is nothing to serve. */
  async getEntry(key: string, options?: GetOptions): Promise<Entry<V> | NoValue> {
    return operations.getEntry(this.#configured(), key, options) as Promise<Entry<V> | NoValue>;
  }

  /** Aligned with `keys` (any iterable), duplicates kept, `NO_VALUE` in the holes. One read of the backend. */
  getMulti(keys: Iterable<string>, options?: GetOptions): Promise<(V | NoValue)[]> {
    return promised(() => operations.getMulti(this.#configured(), keys, options) as Awaitable<(V | NoValue)[]>);
  }

  /** @throws SerializationError, ValueTooLargeError: the old value stays. */
  async set(key: string, value: V, options?: SetOptions): Promise<void> {
    return operations.set(this.#configured(), key, value, options);
  }

  /**
   * Stores a Map, pairs or a plain object, in one write. If some values cannot be stored, the others are, and the
   * error's `keys` name the rest.
   */
  async setMulti(items: operations.Items<V>, options?: SetOptions): Promise<void> {
    return operations.setMulti(this.#configured(), items, options);
  }

  /** Whether it was there. The result of a creator that is running for the key will not be stored. */
  async delete(key: string): Promise<boolean> {
    return operations.remove(this.#configured(), key);
  }

  /** How many were there. */
  async deleteMulti(keys: Iterable<string>): Promise<number> {
    return operations.removeMulti(this.#configured(), keys);
  }

  /**
   * The value, created where it is missing or stale. Concurrent callers share one creation; a stale value is served
   * while somebody creates. With the backend down, the creator serves (`failOpen`).
   * @throws what the creator throws, unchanged; LockTimeoutError, CreatorTimeoutError, RecursiveCreationError.
   * @example await users.getOrCreate('user:1', async ({ signal }) => load(1, signal), { expirationTime: '1m' })
   */
  getOrCreate<T extends V>(
    key: string,
    creator: (context: CreatorContext<V>) => Awaitable<T>,
    options?: GetOrCreateOptions<T>,
  ): Promise<Created<V, T>> {
    if (this.#core === undefined || this.#closing) return Promise.reject(this.#unusable());
    const value = readThrough(this.#core, key, creator as Creator<unknown>, options as GetOrCreateOptions);
    return value as Promise<Created<V, T>>;
  }

  /**
   * The values of `keys`, aligned; `creator` is called once, with the missing keys, each once and in request order,
   * and answers with an array aligned with them, a Map or an object.
   * @throws ValidationError naming the keys that the creator left out; what `getOrCreate` throws.
   */
  async getOrCreateMulti(
    keys: Iterable<string>,
    creator: MultiCreator<V>,
    options?: GetOrCreateOptions<V>,
  ): Promise<V[]> {
    const asked = operations.checkKeys(keys);
    const core = this.#configured();
    return readThroughMulti(core, asked, creator as MultiCreator<unknown>, options as GetOrCreateOptions) as Promise<
      V[]
    >;
  }

  /** Creates whatever is stored, under the mutex, and honours `shouldCache`. */
  async refresh<T extends V>(
    key: string,
    creator: (context: CreatorContext<V>) => Awaitable<T>,
    options?: GetOrCreateOptions<T>,
  ): Promise<Created<V, T>> {
    const value = refresh(this.#configured(), key, creator as Creator<unknown>, options as GetOrCreateOptions);
    return value as Promise<Created<V, T>>;
  }

  /**
   * Makes what is stored until now absent (`hard`, the default) or stale; with `tags`, what carries one of them. What
   * is written later is valid, also within the same millisecond. Calls combine; none cancels an earlier hard one.
   */
  async invalidate(options?: InvalidateOptions): Promise<void> {
    return operations.invalidate(this.#configured(), options);
  }

  /** Whether somebody creates the key now. Does not acquire its mutex. */
  async keyIsLocked(key: string): Promise<boolean> {
    return operations.keyIsLocked(this.#configured(), key);
  }

  /**
   * Adds to a counter and answers with the sum; an absent one counts from `initial` (0). An existing one keeps its expiry.
   * @throws ValidationError where the key holds no number; CapabilityError.
   */
  async increment(key: string, by = 1, options?: operations.IncrementOptions): Promise<number> {
    return operations.increment(this.#configured(), key, by, options);
  }

  async decrement(key: string, by = 1, options?: operations.IncrementOptions): Promise<number> {
    return operations.increment(this.#configured(), key, -by, options);
  }

  /** The keys of this namespace that are stored, stale ones included; no snapshot. With a mangler: the mangled ones. */
  keys(options?: KeysOptions): AsyncIterableIterator<string> {
    return keysOf(this.#configured(), options);
  }

  /** The fresh values of this namespace with their keys. */
  entries(options?: KeysOptions): AsyncIterableIterator<[string, V]> {
    return entriesOf(this.#configured(), options) as AsyncIterableIterator<[string, V]>;
  }

  /** How many keys of this namespace are stored. Counts them: O(n). */
  async size(): Promise<number> {
    let count = 0;
    for await (const _ of keysOf(this.#configured())) count++;
    return count;
  }

  /** Removes the entries of this namespace, never more. */
  async clear(): Promise<void> {
    return operations.clear(this.#configured());
  }

  /**
   * Hears set, delete and clear of the key, or of all keys of the namespace; across processes where the backend can.
   * Dispose what it returns to stop. `overflow`: events were lost.
   */
  subscribe(key: string | null, listener: (event: KeyEvent) => void): Disposable {
    return subscribe(this.#configured(), key, listener);
  }

  /** True at the next event of the key (or at once, if it has the value `equals`); false at `timeout`. */
  async waitFor(key: string, options?: WaitForOptions<V>): Promise<boolean> {
    return waitFor(this.#configured(), key, options);
  }

  /**
   * A function that caches its results here, typed like `fn`.
   * @example
   * const load = region.cacheFunction(loadUser, { expirationTime: '1m' });
   * await load(1); await load.delete(1);
   * @throws ValidationError where another function of that name is cached in this region; at a call, for an argument
   * that has no place in a key.
   */
  cacheFunction<F extends AnyFunction>(
    fn: F & FitsRegion<F, V>,
    options?: CacheFunctionOptions<ArgsOf<F>, ResultOf<F>, ThisOf<F>>,
  ): CachedFunction<ThisOf<F>, ArgsOf<F>, ResultOf<F>> {
    return cacheFunction(this as unknown as Region<unknown>, fn as never, options as never) as never;
  }

  /** The same for a function of many: `fn(elements)` is called with the elements that are missing. */
  cacheMultiFunction<T, E, R extends V>(
    fn: (this: T, elements: readonly E[]) => Awaitable<MultiAnswer<R>>,
    options?: CacheFunctionOptions<readonly [E], R, T>,
  ): CachedMultiFunction<T, E, R> {
    return cacheMultiFunction(this as unknown as Region<unknown>, fn, options);
  }

  /** Lets what runs settle, for at most `lockTimeout`, then closes a backend that `configure` made. Idempotent; what comes after is refused. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  #configured(): RegionCore {
    if (this.#core === undefined || this.#closing) throw this.#unusable();
    return this.#core;
  }

  #unusable(): Error {
    if (this.#closing) return this.#closed();
    return new RegionNotConfiguredError(`region '${this.name}' has no backend yet; call configure first`, {
      region: this.name,
    });
  }

  #closed(): Error {
    return new RegionClosedError(`region '${this.name}' is closed`, { region: this.name });
  }

  async #close(): Promise<void> {
    const core = this.#core;
    if (core === undefined) return;
    core.closing.abort(this.#closed());
    core.policy.invalidator.detach?.();
    const settled = Promise.all([core.flights.settled(), core.unstored.settled()]);
    await withDeadline(settled, core.plan.lockTimeout, () => new Error('a creator does not end')).catch(() => {});
    if (this.#ownsBackend) await core.closeBackend();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
