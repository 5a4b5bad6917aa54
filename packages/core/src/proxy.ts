/** A layer around a backend that sees every operation. */

import type { Awaitable } from './awaitable.js';
import { type Backend, CacheBackend, type Capability, type MultiWriteOptions, type WriteOptions } from './backend.js';
import type { CachedValue, NoValue } from './cached-value.js';
import { ValidationError } from './errors.js';
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
    if (this.#proxied !== undefined) {
      throw new ValidationError(
        `this ${this.constructor.name} wraps a backend already; make another, or pass its class`,
      );
    }
    this.#proxied = inner;
    this.keyMangler = inner.keyMangler;
    return this;
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

  override close(): Awaitable<void> {
    return this.proxied.close();
  }
}

/** What `wrap` takes: a proxy, or a class whose constructor needs no arguments. */
export type ProxyLike = ProxyBackend | (new () => ProxyBackend);

/** `proxies` around `backend`, the first outermost. */
export function wrapWith(proxies: readonly ProxyLike[], backend: CacheBackend): CacheBackend {
  return proxies.reduceRight<CacheBackend>((inner, proxy) => {
    const made: unknown = typeof proxy === 'function' && isProxyClass(proxy) ? new proxy() : proxy;
    if (made instanceof ProxyBackend) return made.attach(inner);
    throw new ValidationError('wrap: each element must be a ProxyBackend, or a class that extends it');
  }, backend);
}

/** The innermost driver under proxies and serialisation. */
export function innermost(backend: CacheBackend): Backend<unknown> {
  if (backend instanceof ProxyBackend) return innermost(backend.proxied);
  return backend instanceof SerializingBackend ? backend.bytesBackend : backend;
}

function isProxyClass(candidate: new () => ProxyBackend): boolean {
  return candidate.prototype instanceof ProxyBackend || candidate === ProxyBackend;
}

function overrides(proxy: ProxyBackend, method: 'get' | 'set' | 'delete'): boolean {
  return proxy[method] !== ProxyBackend.prototype[method];
}
