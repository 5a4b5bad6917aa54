/** `memory-pickle`: a Map of bytes in this process. */

import {
  BytesBackend,
  type Capability,
  type Clock,
  type Expiring,
  ExpiringMap,
  type KeyEvent,
  KeyEvents,
  NO_VALUE,
  type NoValue,
  systemClock,
  type WriteOptions,
} from '@stockpile/core';

/** It has none: how values become bytes is the `serializer` of the region. */
export type MemoryPickleArguments = Record<string, never>;

export interface MemoryPickleOptions {
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
}

/**
 * Keeps serialised values in a Map of this process: what comes out is a copy, and what cannot be serialised is refused,
 * as with the backends outside the process. There is no bound, but what has passed its ttl is freed although nobody
 * reads it: each write looks at the next few entries, and while there are entries with a ttl, an unref'd timer goes
 * through all of them in slices of 1000. It never keeps the process alive, nor a backend that nobody uses any more;
 * `close` stops it.
 * @example
 * createRegion().configure('memory-pickle', { expirationTime: '10m' });
 */
export class MemoryPickleBackend extends BytesBackend {
  readonly name = 'memory-pickle';
  readonly capabilities: ReadonlySet<Capability> = new Set<Capability>([
    'sync',
    'ttl',
    'compareAndSet',
    'enumerate',
    'clear',
    'events',
  ]);
  readonly #entries: ExpiringMap<ExpiringBytes>;
  readonly #events = new KeyEvents();

  constructor({ clock = systemClock }: MemoryPickleOptions = {}) {
    super();
    this.#entries = new ExpiringMap(clock);
  }

  override get(key: string, now?: number): Uint8Array | NoValue {
    const entry = this.#entries.get(key, now);
    return entry === undefined ? NO_VALUE : entry.bytes;
  }

  override getMulti(keys: readonly string[], now?: number): (Uint8Array | NoValue)[] {
    return keys.map((key) => this.get(key, now));
  }

  /** Keeps `bytes` as they are: `SerializingBackend` makes new ones for every write. */
  override set(key: string, bytes: Uint8Array, { ttl }: WriteOptions): boolean {
    return this.#store(key, bytes, this.#entries.deadline(ttl));
  }

  override delete(key: string): boolean {
    const deleted = this.#entries.delete(key);
    if (deleted) this.#events.emit('delete', key);
    return deleted;
  }

  override compareAndSet(
    key: string,
    expected: Uint8Array | NoValue,
    bytes: Uint8Array,
    { ttl }: { readonly ttl: number | undefined },
  ): boolean {
    const entry = this.#entries.get(key);
    if (entry === undefined || expected === NO_VALUE) {
      if (entry !== undefined || expected !== NO_VALUE) return false;
    } else if (Buffer.compare(entry.bytes, expected) !== 0) return false;
    return this.#store(key, bytes, ttl === undefined ? (entry?.deadline ?? Infinity) : this.#entries.deadline(ttl));
  }

  override keys(prefix: string): Iterable<string> {
    return this.#entries.keys(prefix);
  }

  override clear(prefix: string): void {
    this.#entries.clear(prefix);
    this.#events.emitClear(prefix);
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    return this.#events.subscribe(prefix, listener);
  }

  override close(): void {
    this.#entries.close();
  }

  #store(key: string, bytes: Uint8Array, deadline: number): true {
    this.#entries.set(key, new ExpiringBytes(bytes, deadline));
    this.#events.emit('set', key);
    return true;
  }
}

class ExpiringBytes implements Expiring {
  constructor(
    readonly bytes: Uint8Array,
    readonly deadline: number,
  ) {}

  hasEnded(now: number | undefined, clock: Clock): boolean {
    return this.deadline !== Infinity && (now ?? clock.now()) >= this.deadline;
  }
}
