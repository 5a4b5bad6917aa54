/** `shm`: one cache for all processes of a host, in shared memory. */

import {
  type Awaitable,
  BytesBackend,
  type Capability,
  type Clock,
  hashMangler,
  isCounterForm,
  type KeyEvent,
  type KeyMangler,
  NO_VALUE,
  type NoValue,
  type RegionInvalidator,
  systemClock,
  type WriteOptions,
} from '@stockpile/core';
import { type Attachment, attach, detach } from './attachment.js';
import { IF, KEEP_TTL, MAX_KEY_BYTES, META, NUMBER_KIND, Rc } from './native.js';
import { NearCache } from './near-cache.js';
import { type SegmentSettings, type ShmArguments, shmSettings } from './options.js';
import { ofKey, tooLarge } from './rc-error.js';
import { isVisible } from './reserved.js';
import { keysIn } from './segment-access.js';
import { type SegmentEvent, Subscriptions } from './segment-events.js';
import { ShmInvalidator } from './shm-invalidator.js';
import { ShmMutex } from './shm-mutex.js';

export interface ShmOptions extends ShmArguments {
  /** Of the region, for the near cache. Default: the system's. The segment itself has a clock of its own. */
  readonly clock?: Clock | undefined;
}

const NUMBER_BYTES = 8;
const HASH_BYTES = 43;

/**
 * Keeps serialised values in a named segment of shared memory: every process of the host that names the same segment
 * sees the same entries, locks and invalidations. Reads take no lock; what a killed process leaves behind, the next one
 * puts in order. ttls are judged by the segment's own clock, which no change of the system's moves.
 * @example
 * createRegion({ name: 'users' }).configure('shm', { expirationTime: '10m', arguments: { segment: 'app', size: '64M' } });
 * @throws ValidationError for arguments, `SegmentOpenError` where the segment cannot be had, `UnsupportedPlatformError`
 * where there is no native part for this platform.
 */
export class ShmBackend extends BytesBackend {
  readonly name = 'shm';
  readonly capabilities: ReadonlySet<Capability> = new Set<Capability>([
    'sync',
    'ttl',
    'locks',
    'counters',
    'compareAndSet',
    'enumerate',
    'clear',
    'events',
  ]);
  override readonly keyMangler: KeyMangler = fitKey;
  override readonly decodedCache: NearCache | undefined;
  readonly #settings: SegmentSettings;
  readonly #segment: Attachment;
  readonly #maxValueBytes: number;
  readonly #subscriptions = new Subscriptions();
  #closed = false;

  constructor(options: ShmOptions = {}) {
    super();
    const { segment, maxValueBytes = Infinity, nearCache } = shmSettings(options, options.clock ?? systemClock);
    this.#settings = segment;
    this.#segment = attach(segment);
    this.#maxValueBytes = maxValueBytes;
    this.decodedCache = nearCache && new NearCache(this.#segment, nearCache);
  }

  override get(key: string): Uint8Array | NoValue {
    const segment = this.#segment;
    let found = segment.native.get(key);
    if (typeof found === 'number' && found < Rc.miss) found = segment.getAfter(found, key);
    if (found === Rc.miss) return NO_VALUE;
    this.decodedCache?.note(key);
    if (typeof found === 'string') return Buffer.from(found); // put there by other means: it will be unreadable
    // a copy: the scratch buffer is written again by the next operation
    const isNumber = segment.meta(META.kind) === NUMBER_KIND;
    const bytes = Buffer.allocUnsafe(isNumber ? found + NUMBER_BYTES : found);
    segment.scratch.copy(bytes, 0, 0, found);
    if (isNumber) bytes.writeDoubleLE(segment.meta(META.number), found);
    return bytes;
  }

  override getMulti(keys: readonly string[]): (Uint8Array | NoValue)[] {
    return keys.map((key) => this.get(key));
  }

  override set(key: string, bytes: Uint8Array, { ttl, mutex }: WriteOptions): boolean {
    if (mutex === undefined) return this.#store(key, bytes, ttl, IF.always, 0);
    const { fence } = mutex;
    if (fence !== undefined) return this.#store(key, bytes, ttl, IF.fenced, Number(fence));
    // never acquired; or a proxy's own, which guards in its own way
    return !(mutex instanceof ShmMutex) && this.#store(key, bytes, ttl, IF.always, 0);
  }

  override delete(key: string): boolean {
    const rc = this.#segment.run((native) => native.delete(key));
    if (rc === Rc.ok || rc === Rc.miss) return rc === Rc.ok;
    throw this.#segment.error(rc, key);
  }

  override getMutex(key: string): ShmMutex {
    return new ShmMutex(this.#segment, key);
  }

  override increment(key: string, by: number, initial: Uint8Array, { ttl }: WriteOptions): number {
    const segment = this.#segment;
    for (;;) {
      const rc = segment.run((native) => native.increment(key, by));
      if (rc === Rc.ok) return segment.meta(META.number);
      if (rc === Rc.notNumber) return Number.NaN;
      if (rc !== Rc.miss) throw segment.error(rc, key);
      if (this.#store(key, initial, ttl, IF.absent, 0)) return numberIn(initial);
    }
  }

  override compareAndSet(
    key: string,
    expected: Uint8Array | NoValue,
    bytes: Uint8Array,
    { ttl }: { readonly ttl: number | undefined },
  ): boolean {
    if (expected === NO_VALUE) return this.#store(key, bytes, ttl ?? Infinity, IF.absent, 0);
    this.#checkSize(key, bytes);
    const ms = ttl === undefined ? KEEP_TTL : nativeTtl(ttl);
    const asNumber = isCounterForm(bytes);
    return this.#stored(
      this.#segment.run((native) => native.replaceBytes(key, expected, bytes, ms, asNumber)),
      key,
      bytes,
    );
  }

  override *keys(prefix: string): Generator<string, void, undefined> {
    for (const key of keysIn(this.#segment, prefix)) if (isVisible(key, prefix)) yield key;
  }

  override clear(prefix: string): void {
    const rc = this.#segment.run((native) => native.clear(prefix));
    if (rc < 0 && rc !== Rc.miss) throw this.#segment.error(rc, prefix);
  }

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    const subscription = this.#segment.events.subscribe(prefix, (event) => {
      const told = keyEventOf(event);
      if (told !== undefined && isVisible(told.key ?? '', prefix)) listener(told);
    });
    return this.#subscriptions.add(subscription);
  }

  override createInvalidator(prefix: string): RegionInvalidator {
    return new ShmInvalidator(this.#segment, prefix);
  }

  /** A promise only where a snapshot is being written. */
  override close(): Awaitable<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscriptions.close();
    this.decodedCache?.close();
    const { writing } = this.#segment;
    if (writing === undefined) detach(this.#segment, this.#settings);
    else return writing.then(() => detach(this.#segment, this.#settings));
  }

  /** A counter becomes a number that the engine can add to, with the rest of its envelope beside it. */
  #store(key: string, bytes: Uint8Array, ttl: number, when: number, argument: number): boolean {
    this.#checkSize(key, bytes);
    const ms = nativeTtl(ttl);
    if (isCounterForm(bytes)) {
      const rest = bytes.subarray(0, bytes.length - NUMBER_BYTES);
      const number = numberIn(bytes);
      const rc = this.#segment.run((native) => native.setNumber(key, number, rest, ms, when, argument));
      return this.#stored(rc, key, bytes);
    }
    const rc = this.#segment.run((native) => native.setBytes(key, bytes, ms, when, argument, false));
    return this.#stored(rc, key, bytes);
  }

  /** False where the condition of the write did not hold. */
  #stored(rc: number, key: string, bytes: Uint8Array): boolean {
    if (rc === Rc.ok) return true;
    if (rc === Rc.notHeld || rc === Rc.exists || rc === Rc.changed || rc === Rc.miss) return false;
    throw this.#segment.error(rc, key, bytes.length);
  }

  #checkSize(key: string, { length }: Uint8Array): void {
    if (length > this.#maxValueBytes) {
      throw tooLarge(ofKey(key, length), this.#maxValueBytes, "backend 'shm'", "'maxValueBytes'");
    }
  }
}

/** Hashes what follows the namespace, in keys that are too long for the engine. */
function fitKey(key: string): string {
  if (key.length * 3 <= MAX_KEY_BYTES || Buffer.byteLength(key) <= MAX_KEY_BYTES) return key;
  const space = key.slice(0, key.indexOf(':') + 1);
  // of a namespace that is itself too long nothing can be kept
  return Buffer.byteLength(space) + HASH_BYTES > MAX_KEY_BYTES ? hashMangler(key) : space + hashMangler(key);
}

function numberIn(bytes: Uint8Array): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).readDoubleLE(bytes.length - NUMBER_BYTES);
}

/** ms as the binding takes them: 0 never ends. */
function nativeTtl(ttl: number): number {
  return ttl === Infinity ? 0 : ttl;
}

/** What regions hear of: not how entries came to their end by themselves. */
function keyEventOf({ kind, key, local }: SegmentEvent): KeyEvent | undefined {
  switch (kind) {
    case 'set':
    case 'increment':
      return { type: 'set', key, local };
    case 'delete':
      return { type: 'delete', key, local };
    case 'clear':
    case 'overflow':
      return { type: kind, key: undefined, local };
    default:
      return undefined;
  }
}
