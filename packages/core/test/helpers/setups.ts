/** Regions for tests: over each kind of backend, and in two processes. */

import { channel } from 'node:diagnostics_channel';
import { MemoryBackend } from '@stockpile/backend-memory';
import {
  type CacheBackend,
  type CachedValue,
  type Clock,
  type ConfigureOptions,
  createRegion,
  type ErrorMessage,
  type MultiWriteOptions,
  ProxyBackend,
  type Region,
  type WriteOptions,
} from '@stockpile/core';
import { AsyncBackend, type AsyncOptions, Storage } from './async-backend.js';
import { TestClock } from './time.js';

export interface Kind {
  readonly kind: string;
  readonly make: (clock: Clock) => CacheBackend;
}

/** What the general behaviours are tested over. */
export const KINDS: readonly Kind[] = [
  { kind: 'memory', make: (clock) => new MemoryBackend({ clock }) },
  { kind: 'an asynchronous backend', make: (clock) => new AsyncBackend(new Storage(clock)) },
  {
    kind: 'an asynchronous backend with locks',
    make: (clock) => new AsyncBackend(new Storage(clock), { locks: true }),
  },
];

export interface Setup<B extends CacheBackend = CacheBackend> {
  readonly clock: TestClock;
  readonly backend: B;
  readonly region: Region<unknown>;
}

/** A region named `r`, so that key `a` is stored as `r:a`. */
export function regionOn(backend: object, clock: Clock, options: ConfigureOptions = {}): Region<unknown> {
  return createRegion({ name: 'r', clock }).configure(backend, options);
}

export function setUp({ make }: Kind, options?: ConfigureOptions): Setup {
  const clock = new TestClock();
  const backend = make(clock);
  return { clock, backend, region: regionOn(backend, clock, options) };
}

/** Two processes, `a` and `b`, that see one storage and one lock table. */
export function twoProcesses(
  options?: ConfigureOptions | (() => ConfigureOptions),
  { locks = true, ...rest }: AsyncOptions = {},
): { clock: TestClock; storage: Storage; a: Setup<AsyncBackend>; b: Setup<AsyncBackend> } {
  const clock = new TestClock();
  const storage = new Storage(clock);
  const start = (): Setup<AsyncBackend> => {
    const backend = new AsyncBackend(storage, { locks, ...rest });
    return { clock, backend, region: regionOn(backend, clock, typeof options === 'function' ? options() : options) };
  };
  return { clock, storage, a: start(), b: start() };
}

/** Counts the calls of the backend by method. */
export class Counter extends ProxyBackend {
  readonly counts: Record<'get' | 'getMulti' | 'set' | 'setMulti' | 'delete' | 'getMutex', number> = {
    get: 0,
    getMulti: 0,
    set: 0,
    setMulti: 0,
    delete: 0,
    getMutex: 0,
  };

  override get(key: string, now?: number): ReturnType<CacheBackend['get']> {
    this.counts.get++;
    return this.proxied.get(key, now);
  }

  override getMulti(keys: readonly string[], now?: number): ReturnType<CacheBackend['getMulti']> {
    this.counts.getMulti++;
    return this.proxied.getMulti(keys, now);
  }

  override set(key: string, item: CachedValue, options: WriteOptions): ReturnType<CacheBackend['set']> {
    this.counts.set++;
    return this.proxied.set(key, item, options);
  }

  override setMulti(
    items: ReadonlyMap<string, CachedValue>,
    options: MultiWriteOptions,
  ): ReturnType<CacheBackend['setMulti']> {
    this.counts.setMulti++;
    return this.proxied.setMulti(items, options);
  }

  override delete(key: string): ReturnType<CacheBackend['delete']> {
    this.counts.delete++;
    return this.proxied.delete(key);
  }

  override getMutex(key: string): ReturnType<CacheBackend['getMutex']> {
    this.counts.getMutex++;
    return this.proxied.getMutex(key);
  }
}

/** What regions report while `work` runs. */
export async function reported(work: () => Promise<unknown>): Promise<ErrorMessage[]> {
  const messages: ErrorMessage[] = [];
  const listen = (message: unknown): void => void messages.push(message as ErrorMessage);
  const errors = channel('stockpile:error');
  errors.subscribe(listen);
  try {
    await work();
  } finally {
    errors.unsubscribe(listen);
  }
  return messages;
}
