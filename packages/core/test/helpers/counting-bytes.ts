/** A driver of bytes that counts in place, as one in native code does: it knows no serializer. */

import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  type Awaitable,
  BytesBackend,
  type Capability,
  type Clock,
  isCounterForm,
  NO_VALUE,
  type NoValue,
  type WriteOptions,
} from '@stockpile/core';

export interface CountingOptions {
  /** Every operation is carried out and answered a turn of the event loop later. */
  readonly later?: boolean;
  readonly without?: readonly Capability[];
}

export class CountingBytes extends BytesBackend {
  readonly name = 'counting';
  readonly capabilities: ReadonlySet<Capability>;
  /** The methods that were called, in order. */
  readonly calls: string[] = [];
  readonly stored: MemoryPickleBackend;
  readonly #later: boolean;

  constructor(clock: Clock, { later = false, without = [] }: CountingOptions = {}) {
    super();
    this.#later = later;
    this.stored = new MemoryPickleBackend({ clock });
    const capabilities = new Set<Capability>(['sync', 'ttl', 'counters', 'compareAndSet']);
    for (const capability of without) capabilities.delete(capability);
    if (later) capabilities.delete('sync');
    this.capabilities = capabilities;
  }

  override get(key: string): Awaitable<Uint8Array | NoValue> {
    return this.#answer('get', () => this.stored.get(key));
  }

  override set(key: string, bytes: Uint8Array, options: WriteOptions): Awaitable<boolean> {
    return this.#answer('set', () => this.stored.set(key, bytes, options));
  }

  override delete(key: string): Awaitable<boolean> {
    return this.#answer('delete', () => this.stored.delete(key));
  }

  override increment(key: string, by: number, initial: Uint8Array, options: WriteOptions): Awaitable<number> {
    return this.#answer('increment', () => {
      const found = this.stored.get(key);
      if (found !== NO_VALUE && !isCounterForm(found)) return Number.NaN;
      const bytes = Buffer.from(found === NO_VALUE ? initial : found);
      const at = bytes.length - 8;
      if (found === NO_VALUE) this.stored.set(key, bytes, options);
      else {
        bytes.writeDoubleLE(bytes.readDoubleLE(at) + by, at);
        this.stored.compareAndSet(key, found, bytes, { ttl: undefined });
      }
      return bytes.readDoubleLE(at);
    });
  }

  override compareAndSet(...args: Parameters<MemoryPickleBackend['compareAndSet']>): Awaitable<boolean> {
    return this.#answer('compareAndSet', () => this.stored.compareAndSet(...args));
  }

  #answer<T>(call: string, work: () => T): Awaitable<T> {
    this.calls.push(call);
    return this.#later ? new Promise<void>((resolve) => setImmediate(resolve)).then(work) : work();
  }
}
