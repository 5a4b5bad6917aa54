/** An asynchronous backend, and the storage that several of its objects share as processes share a server. */

import { MemoryBackend } from '@stockpile/backend-memory';
import {
  type AcquireOptions,
  CacheBackend,
  type CachedValue,
  type CacheMutex,
  type Capability,
  type Clock,
  type KeyEvent,
  LocalLocks,
  type MultiWriteOptions,
  type NoValue,
  type WriteOptions,
} from '@stockpile/core';
import { Gate } from './time.js';

export type Operation =
  | 'get'
  | 'getMulti'
  | 'set'
  | 'setMulti'
  | 'delete'
  | 'deleteMulti'
  | 'increment'
  | 'lock'
  | 'unlock'
  | 'clear'
  | 'close';

/** What the processes have in common: the entries and the fenced locks. */
export class Storage {
  readonly memory: MemoryBackend;
  readonly locks: LocalLocks = new LocalLocks();
  readonly holders: Map<string, StorageMutex> = new Map();

  constructor(clock: Clock) {
    this.memory = new MemoryBackend({ clock });
  }

  /** Takes the lock from its holder, as when a lease has run out. */
  loseLease(key: string): void {
    const holder = this.holders.get(key);
    this.holders.delete(key);
    holder?.lock.release();
  }
}

class StorageMutex implements CacheMutex {
  readonly lock: CacheMutex;

  constructor(
    private readonly backend: AsyncBackend,
    private readonly storage: Storage,
    private readonly key: string,
  ) {
    this.lock = storage.locks.mutex(key);
  }

  acquire(options: AcquireOptions): Promise<boolean> {
    return this.backend.answer('lock', this.key, async () => {
      const ours = await this.lock.acquire(options);
      if (ours) this.storage.holders.set(this.key, this);
      return ours;
    });
  }

  release(): Promise<boolean> {
    return this.backend.answer('unlock', this.key, () => {
      if (this.storage.holders.get(this.key) !== this) return false;
      this.storage.loseLease(this.key);
      return true;
    });
  }

  async locked(): Promise<boolean> {
    return this.lock.locked();
  }
}

/** A gate through which the answers of one operation pass. */
export class Hold {
  readonly #gate = new Gate();
  readonly #arrival = new Gate();
  /** Once an answer is held. */
  readonly arrived: Promise<void> = this.#arrival.promise;

  release(): void {
    this.#gate.open();
  }

  pass(): Promise<void> {
    this.#arrival.open();
    return this.#gate.promise;
  }
}

export interface AsyncOptions {
  /** With locks that reach the other objects on the storage; default: none of its own. */
  readonly locks?: boolean;
  /** Without these capabilities. */
  readonly without?: readonly Capability[];
}

/** Every operation is carried out at once, and answered a microtask later, or when the test lets it. */
export class AsyncBackend extends CacheBackend {
  readonly name: string = 'async';
  readonly capabilities: ReadonlySet<Capability>;
  /** What was asked, as `operation key`. */
  readonly calls: string[] = [];
  closed = 0;
  readonly #locks: boolean;
  readonly #holds: { readonly operation: Operation; readonly key: string | undefined; readonly hold: Hold }[] = [];

  constructor(
    readonly storage: Storage,
    { locks = false, without = [] }: AsyncOptions = {},
  ) {
    super();
    this.#locks = locks;
    const capabilities = new Set<Capability>(storage.memory.capabilities);
    for (const capability of ['sync', ...without] as const) capabilities.delete(capability);
    if (locks) capabilities.add('locks');
    this.capabilities = capabilities;
  }

  /** Holds the next answer of `operation`, of any key or of this stored one. */
  hold(operation: Operation, key?: string): Hold {
    const hold = new Hold();
    this.#holds.push({ operation, key, hold });
    return hold;
  }

  /** How often an operation was asked for. */
  count(operation: Operation): number {
    return this.calls.filter((call) => call.startsWith(`${operation} `)).length;
  }

  async answer<T>(operation: Operation, key: string, work: () => T | Promise<T>): Promise<T> {
    this.calls.push(`${operation} ${key}`);
    const value = await work();
    const at = this.#holds.findIndex((held) => held.operation === operation && (held.key ?? key) === key);
    if (at >= 0) await this.#holds.splice(at, 1)[0]?.hold.pass();
    return value;
  }

  override get(key: string, now?: number): Promise<CachedValue | NoValue> {
    return this.answer('get', key, () => this.storage.memory.get(key, now));
  }

  override getMulti(keys: readonly string[], now?: number): Promise<(CachedValue | NoValue)[]> {
    return this.answer('getMulti', keys.join(), () => keys.map((key) => this.storage.memory.get(key, now)));
  }

  override set(key: string, item: CachedValue, options: WriteOptions): Promise<boolean> {
    return this.answer('set', key, () => this.#store(key, item, options));
  }

  override setMulti(
    items: ReadonlyMap<string, CachedValue>,
    { ttl, mutexes }: MultiWriteOptions,
  ): Promise<readonly string[]> {
    return this.answer('setMulti', [...items.keys()].join(), () => {
      const stored = ([key, item]: [string, CachedValue]): boolean =>
        this.#store(key, item, { ttl, mutex: mutexes?.get(key) });
      return [...items].filter((pair) => !stored(pair)).map(([key]) => key);
    });
  }

  override delete(key: string): Promise<boolean> {
    return this.answer('delete', key, () => this.#remove(key));
  }

  override deleteMulti(keys: readonly string[]): Promise<number> {
    return this.answer('deleteMulti', keys.join(), () => keys.filter((key) => this.#remove(key)).length);
  }

  override increment(key: string, by: number, initial: CachedValue, options: WriteOptions): Promise<number> {
    return this.answer('increment', key, () => {
      if (this.#locks) this.storage.loseLease(key);
      return this.storage.memory.increment(key, by, initial, options);
    });
  }

  override compareAndSet(...args: Parameters<MemoryBackend['compareAndSet']>): Promise<boolean> {
    return this.answer('set', args[0], () => this.storage.memory.compareAndSet(...args));
  }

  override getMutex(key: string): CacheMutex | undefined {
    return this.#locks ? new StorageMutex(this, this.storage, key) : undefined;
  }

  override clear(prefix: string): Promise<void> {
    return this.answer('clear', prefix, () => this.storage.memory.clear(prefix));
  }

  override keys(prefix: string): Iterable<string> {
    return this.storage.memory.keys(prefix);
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    return this.storage.memory.subscribe(prefix, listener);
  }

  override close(): Promise<void> {
    return this.answer('close', '', () => {
      this.closed++;
    });
  }

  /** Fenced: a creator's value only while its lock is held; another's write or delete takes the lock away. */
  #store(key: string, item: CachedValue, options: WriteOptions): boolean {
    if (this.#locks && options.mutex === undefined) this.storage.loseLease(key);
    else if (this.#locks && this.storage.holders.get(key) !== options.mutex) return false;
    return this.storage.memory.set(key, item, options);
  }

  #remove(key: string): boolean {
    if (this.#locks) this.storage.loseLease(key);
    return this.storage.memory.delete(key);
  }
}
