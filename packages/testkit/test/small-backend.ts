/** A correct backend with every capability, small enough to be broken on purpose. */

import {
  type Awaitable,
  add,
  Backend,
  type CachedValue,
  type CacheMutex,
  type Capability,
  type Clock,
  type KeyEvent,
  KeyEvents,
  NO_VALUE,
  type NoValue,
  ValueTooLargeError,
  type WriteOptions,
} from '@stockpile/core';

export interface Entry<T> {
  readonly item: T;
  readonly deadline: number;
}

export interface Lock {
  holder: object | undefined;
  fence: number;
  readonly waiters: Set<() => void>;
}

/** What instances on one storage share. */
export class Storage<T> {
  readonly entries = new Map<string, Entry<T>>();
  readonly locks = new Map<string, Lock>();
  readonly events = new KeyEvents();

  lock(key: string): Lock {
    const lock = this.locks.get(key) ?? { holder: undefined, fence: 0, waiters: new Set() };
    this.locks.set(key, lock);
    return lock;
  }
}

export const MAX_BYTES = 4096;

export abstract class SmallBackend<T> extends Backend<T> {
  readonly name = 'small';
  capabilities: ReadonlySet<Capability> = new Set<Capability>([
    'sync',
    'ttl',
    'locks',
    'compareAndSet',
    'enumerate',
    'clear',
    'events',
  ]);

  constructor(
    readonly storage: Storage<T>,
    readonly clock: Clock,
  ) {
    super();
  }

  live(key: string): Entry<T> | undefined {
    const entry = this.storage.entries.get(key);
    if (entry === undefined || entry.deadline > this.clock.now()) return entry;
    this.storage.entries.delete(key);
    return undefined;
  }

  abstract sizeOf(item: T): number;
  abstract same(a: T, b: T): boolean;

  store(key: string, item: T, deadline: number): true {
    if (this.sizeOf(item) > MAX_BYTES * 1.5) throw new ValueTooLargeError(`${key}: more than ${MAX_BYTES} bytes`);
    this.storage.entries.set(key, { item, deadline });
    this.storage.events.emit('set', key);
    return true;
  }

  override get(key: string): T | NoValue {
    return this.live(key)?.item ?? NO_VALUE;
  }

  override set(key: string, item: T, { ttl, mutex }: WriteOptions): boolean {
    if (mutex instanceof SmallMutex && !mutex.held()) return false;
    return this.store(key, item, this.clock.now() + ttl);
  }

  override delete(key: string): boolean {
    const lock = this.storage.lock(key);
    if (lock.holder !== undefined) handOver(lock);
    const there = this.live(key) !== undefined;
    this.storage.entries.delete(key);
    if (there) this.storage.events.emit('delete', key);
    return there;
  }

  override getMutex(key: string): CacheMutex {
    return new SmallMutex(this.storage.lock(key));
  }

  override compareAndSet(
    key: string,
    expected: T | NoValue,
    item: T,
    { ttl }: { readonly ttl: number | undefined },
  ): boolean {
    const entry = this.live(key);
    const asExpected =
      entry === undefined || expected === NO_VALUE
        ? entry === undefined && expected === NO_VALUE
        : this.same(entry.item, expected);
    const deadline = ttl === undefined ? (entry?.deadline ?? Number.POSITIVE_INFINITY) : this.clock.now() + ttl;
    return asExpected && this.store(key, item, deadline);
  }

  override keys(prefix: string): Iterable<string> {
    return [...this.storage.entries.keys()].filter((key) => key.startsWith(prefix) && this.live(key) !== undefined);
  }

  override clear(prefix: string): Awaitable<void> {
    for (const key of this.keys(prefix)) this.storage.entries.delete(key);
    this.storage.events.emitClear(prefix);
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    return this.storage.events.subscribe(prefix, listener);
  }
}

export class SmallValues extends SmallBackend<CachedValue> {
  readonly stores = 'values';
  override capabilities: ReadonlySet<Capability> = new Set<Capability>([
    'sync',
    'ttl',
    'locks',
    'counters',
    'compareAndSet',
    'enumerate',
    'clear',
    'events',
  ]);

  sizeOf({ value }: CachedValue): number {
    return Buffer.isBuffer(value) ? value.length : 0;
  }

  same(a: CachedValue, b: CachedValue): boolean {
    return a.metadata === b.metadata;
  }

  override increment(key: string, by: number, initial: CachedValue, { ttl }: WriteOptions): number {
    const entry = this.live(key);
    const next = entry === undefined ? initial : add(entry.item, by);
    this.store(key, next, entry === undefined ? this.clock.now() + ttl : entry.deadline);
    return next.value as number;
  }
}

export class SmallBytes extends SmallBackend<Uint8Array> {
  readonly stores = 'bytes';

  sizeOf(bytes: Uint8Array): number {
    return bytes.length;
  }

  same(a: Uint8Array, b: Uint8Array): boolean {
    return Buffer.compare(a, b) === 0;
  }

  override get(key: string): Uint8Array | NoValue {
    const bytes = super.get(key);
    return bytes === NO_VALUE ? bytes : new Uint8Array(bytes);
  }
}

/** The lock goes to the next waiter, or is free. */
export function handOver(lock: Lock): void {
  lock.holder = undefined;
  const [next] = lock.waiters;
  next?.();
}

export class SmallMutex implements CacheMutex {
  fence?: number;

  constructor(readonly lock: Lock) {}

  held(): boolean {
    return this.lock.holder === this;
  }

  take(): true {
    this.lock.holder = this;
    this.fence = ++this.lock.fence;
    return true;
  }

  acquire({ wait, signal }: { wait: number; signal?: AbortSignal | undefined }): boolean | Promise<boolean> {
    if (signal?.aborted) return false;
    if (!this.locked()) return this.take();
    if (wait === 0) return false;
    return new Promise((resolve) => {
      const settle = (granted: boolean): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', giveUp);
        this.lock.waiters.delete(grant);
        resolve(granted && this.take());
      };
      const grant = (): void => settle(true);
      const giveUp = (): void => settle(false);
      const timer = wait < 2 ** 31 ? setTimeout(giveUp, wait).unref() : undefined;
      signal?.addEventListener('abort', giveUp);
      this.lock.waiters.add(grant);
    });
  }

  release(): boolean {
    if (!this.held()) return false;
    handOver(this.lock);
    return true;
  }

  locked(): boolean {
    return this.lock.holder !== undefined;
  }
}
