/** A layer around a backend that sees every operation. */

import type { Awaitable } from './awaitable.js';
import { type Backend, CacheBackend, type Capability, type MultiWriteOptions, type WriteOptions } from './backend.js';
import type { CachedValue, NoValue } from './cached-value.js';
import type { ServerState } from './circuit-breaker.js';
import { show } from './duration.js';
import { ValidationError } from './errors.js';
import type { RegionInvalidator } from './invalidation.js';
import type { KeyMangler } from './key.js';
import type { KeyEvent } from './key-events.js';
import type { CacheMutex } from './mutex.js';
import { SerializingBackend } from './serializing-backend.js';

/**
 * Extend it and override what should be seen or changed; everything else passes through. A proxy sits above
 * serialisation, so it sees `CachedValue` objects and stored keys over every backend. Where `get`, `set` or `delete`
 * is overridden and its multi form is not, multi operations come key by key. Pass `now` and `options` on as they came.
 * @example
 * class Traced extends ProxyBackend {
 *   override get(key: string, now?: number) { trace('get', key); return this.proxied.get(key, now); }
 * }
 * createRegion().configure('lru', { wrap: [Traced] });
 */
export class ProxyBackend extends CacheBackend {
  declare keyMangler: KeyMangler | undefined;
  #proxied: CacheBackend | undefined;

  /** The next layer: another proxy, or the backend. */
  get proxied(): CacheBackend {
    if (this.#proxied === undefined) throw new ValidationError(`${this.constructor.name} wraps no backend yet`);
    return this.#proxied;
  }

  /** Called once, by the region. A proxy keeps state, so an instance serves one region. */
  attach(inner: CacheBackend): this {
    this.checkFree().#proxied = inner;
    this.keyMangler = inner.keyMangler;
    return this;
  }

  /** Throws if it wraps a backend already. */
  checkFree(): this {
    if (this.#proxied === undefined) return this;
    throw new ValidationError(`this ${this.constructor.name} wraps a backend already; make another, or pass its class`);
  }

  get name(): string {
    return this.proxied.name;
  }

  get capabilities(): ReadonlySet<Capability> {
    return this.proxied.capabilities;
  }

  override get(key: string, now?: number): Awaitable<CachedValue | NoValue> {
    return this.proxied.get(key, now);
  }

  override getMulti(keys: readonly string[], now?: number): Awaitable<(CachedValue | NoValue)[]> {
    return overrides(this, 'get') ? super.getMulti(keys, now) : this.proxied.getMulti(keys, now);
  }

  override set(key: string, item: CachedValue, options: WriteOptions): Awaitable<boolean> {
    return this.proxied.set(key, item, options);
  }

  override setMulti(items: ReadonlyMap<string, CachedValue>, options: MultiWriteOptions): Awaitable<readonly string[]> {
    return overrides(this, 'set') ? super.setMulti(items, options) : this.proxied.setMulti(items, options);
  }

  override delete(key: string): Awaitable<boolean> {
    return this.proxied.delete(key);
  }

  override deleteMulti(keys: readonly string[]): Awaitable<number> {
    return overrides(this, 'delete') ? super.deleteMulti(keys) : this.proxied.deleteMulti(keys);
  }

  override getMutex(key: string): CacheMutex | undefined {
    return this.proxied.getMutex(key);
  }

  override increment(key: string, by: number, initial: CachedValue, options: WriteOptions): Awaitable<number> {
    return this.proxied.increment(key, by, initial, options);
  }

  override compareAndSet(...args: Parameters<CacheBackend['compareAndSet']>): Awaitable<boolean> {
    return this.proxied.compareAndSet(...args);
  }

  override keys(prefix: string): Iterable<string> | AsyncIterable<string> {
    return this.proxied.keys(prefix);
  }

  override clear(prefix: string): Awaitable<void> {
    return this.proxied.clear(prefix);
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    return this.proxied.subscribe(prefix, listener);
  }

  override createInvalidator(prefix: string): RegionInvalidator | undefined {
    return this.proxied.createInvalidator?.(prefix);
  }

  override servers(): readonly ServerState[] {
    return this.proxied.servers();
  }

  override close(): Awaitable<void> {
    return this.proxied.close();
  }
}

/** What `wrap` takes: a proxy, or a class whose constructor needs no arguments. */
export type ProxyLike = ProxyBackend | (new () => ProxyBackend);

/** The proxies that `wrap` means. Throws before any of them is attached. */
export function checkProxies(wrap: readonly ProxyLike[]): ProxyBackend[] {
  if (!Array.isArray(wrap)) throw new ValidationError(`wrap: must be an array of proxies, not ${show(wrap)}`);
  const proxies = wrap.map((proxy: unknown) => {
    const made: unknown = typeof proxy === 'function' && isProxyClass(proxy) ? new proxy() : proxy;
    if (!(made instanceof ProxyBackend)) {
      throw new ValidationError(`wrap: ${show(proxy)} is neither a ProxyBackend nor a class that extends it`);
    }
    return made.checkFree();
  });
  if (new Set(proxies).size < proxies.length) throw new ValidationError('wrap: the same proxy instance is given twice');
  return proxies;
}

/** `proxies` around `backend`, the first outermost. */
export function wrapWith(proxies: readonly ProxyBackend[], backend: CacheBackend): CacheBackend {
  return proxies.reduceRight<CacheBackend>((inner, proxy) => proxy.attach(inner), backend);
}

/** The innermost driver under proxies and serialisation. */
export function innermost(backend: CacheBackend): Backend<unknown> {
  if (backend instanceof ProxyBackend) return innermost(backend.proxied);
  return backend instanceof SerializingBackend ? backend.bytesBackend : backend;
}

function isProxyClass(candidate: { prototype: unknown }): candidate is typeof ProxyBackend {
  return candidate.prototype instanceof ProxyBackend || candidate === ProxyBackend;
}

function overrides(proxy: ProxyBackend, method: 'get' | 'set' | 'delete'): boolean {
  return proxy[method] !== ProxyBackend.prototype[method];
}
