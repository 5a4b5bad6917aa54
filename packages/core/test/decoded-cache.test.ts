/** What a driver of bytes keeps decoded: asked first, told of what was decoded, and of nothing else. */

import { describe, expect, test } from '@jest/globals';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  BytesBackend,
  type CachedValue,
  type Capability,
  createRegion,
  type DecodedCache,
  NO_VALUE,
  type NoValue,
  type Serializer,
  SerializingBackend,
  structuredSerializer,
} from '@stockpile/core';
import { FACES, TestClock } from './fixtures.js';

/** Keeps what was decoded for as long as the bytes are the same. */
class NearBytes extends MemoryPickleBackend {
  readonly kept = new Map<string, { item: CachedValue; bytes: Uint8Array | NoValue }>();
  /** What was asked and told, in order. */
  readonly calls: string[] = [];
  override readonly decodedCache: DecodedCache = {
    get: (key, now) => {
      const kept = this.kept.get(key);
      const isStored = kept !== undefined && kept.bytes === super.get(key, now);
      this.calls.push(`${isStored ? 'hit' : 'look'} ${key}`);
      return isStored ? kept.item : undefined;
    },
    keep: (key, item) => {
      this.calls.push(`keep ${key}`);
      this.kept.set(key, { item, bytes: super.get(key) });
    },
  };

  override get(key: string, now?: number): Uint8Array | NoValue {
    this.calls.push(`get ${key}`);
    return super.get(key, now);
  }
}

function setUp() {
  const clock = new TestClock();
  const driver = new NearBytes({ clock });
  let decoded = 0;
  const serializer: Serializer = {
    ...structuredSerializer,
    deserialize: (bytes) => {
      decoded++;
      return structuredSerializer.deserialize(bytes);
    },
  };
  const region = createRegion({ namespace: '', clock, serializer }).configure(driver);
  const calls = (): string[] => driver.calls.splice(0);
  return { clock, driver, region, serializer, calls, decodings: () => decoded };
}

describe.each(FACES)('%s over a driver with a decoded cache', (_face, of) => {
  test('73: what was decoded once is served without the driver and the serializer', async () => {
    const { region, calls, decodings } = setUp();
    const operations = of(region);
    await operations.set('k', { n: 1 });
    const first = await operations.get('k');
    expect(first).toEqual({ n: 1 });
    expect(calls()).toEqual(['look k', 'get k', 'keep k']);
    expect(await operations.get('k')).toBe(first);
    expect(await operations.getOrCreate('k', () => 'new')).toBe(first);
    expect(await operations.getEntry('k')).toMatchObject({ value: first });
    expect(calls()).toEqual(['hit k', 'hit k', 'hit k']);
    expect(decodings()).toBe(1);
  });

  test('73: after a write, what is stored is decoded', async () => {
    const { driver, region } = setUp();
    const operations = of(region);
    await operations.set('k', 1);
    expect(await operations.get('k')).toBe(1);
    await operations.set('k', 2);
    expect(await operations.get('k')).toBe(2);
    expect(driver.kept.get('k')?.item.value).toBe(2);
    await operations.delete('k');
    expect(await operations.get('k')).toBe(NO_VALUE);
  });

  test('73: multi reads use it too, aligned, also for keys that repeat', async () => {
    const { region, calls, decodings } = setUp();
    const operations = of(region);
    await operations.setMulti({ a: 'A', b: 'B' });
    expect(await operations.getMulti(['b', 'missing', 'a', 'b'])).toEqual(['B', NO_VALUE, 'A', 'B']);
    expect(calls()).toEqual([
      'look b',
      'get b',
      'keep b',
      'look missing',
      'get missing',
      'look a',
      'get a',
      'keep a',
      'hit b',
    ]);
    expect(decodings()).toBe(2);
  });

  test('73, 74: misses and what cannot be read are not kept', async () => {
    const { driver, region, calls } = setUp();
    driver.set('bad', Buffer.from('foreign'), { ttl: Infinity });
    const operations = of(region);
    for (const key of ['missing', 'bad']) expect(await operations.get(key)).toBe(NO_VALUE);
    expect(await operations.getMulti(['missing', 'bad'])).toEqual([NO_VALUE, NO_VALUE]);
    expect(calls().filter((call) => call.startsWith('keep'))).toEqual([]);
    expect(region.stats().missReasons.unreadable).toBe(2);
  });

  test('73: what has expired or was invalidated is judged as ever', async () => {
    const { clock, region } = setUp();
    const operations = of(region);
    await operations.set('short', 1, { expirationTime: 1000 });
    await operations.set('k', 1);
    expect(await operations.getMulti(['short', 'k'])).toEqual([1, 1]);
    clock.time += 1000;
    expect(await operations.getMulti(['short', 'k'])).toEqual([NO_VALUE, 1]);
    await operations.invalidate();
    expect(await operations.get('k')).toBe(NO_VALUE);
  });
});

test('73: the cache hears the time that the region has read', () => {
  const { clock, driver, serializer } = setUp();
  const times: (number | undefined)[] = [];
  Object.assign(driver.decodedCache, { get: (_key: string, now: number | undefined) => void times.push(now) });
  const backend = new SerializingBackend(driver, serializer);
  backend.get('k', 5);
  backend.getMulti(['k'], 6);
  backend.get('k');
  expect(times).toEqual([5, 6, undefined]);
  expect(clock.time).toBe(1_000_000);
});

test('25: an item that was kept can be compared and set', () => {
  const { driver, serializer } = setUp();
  const backend = new SerializingBackend(driver, serializer);
  const item = (value: number): CachedValue => ({ value, metadata: { createdAt: 1 } });
  backend.set('k', item(1), { ttl: Infinity });
  backend.get('k');
  const kept = backend.get('k') as CachedValue;
  expect(driver.calls.at(-1)).toBe('hit k');
  expect(backend.compareAndSet('k', kept, item(2), { ttl: undefined })).toBe(true);
  expect(backend.compareAndSet('k', kept, item(3), { ttl: undefined })).toBe(false);
  expect(backend.get('k')).toMatchObject({ value: 2 });
});

test('73: a driver that answers with promises is asked, and never told', async () => {
  const calls: string[] = [];
  class Later extends BytesBackend {
    readonly name = 'later';
    readonly capabilities: ReadonlySet<Capability> = new Set<Capability>();
    readonly stored = new MemoryPickleBackend();
    override readonly decodedCache: DecodedCache = {
      get: (key) => void calls.push(`look ${key}`),
      keep: (key) => void calls.push(`keep ${key}`),
    };
    override async get(key: string): Promise<Uint8Array | NoValue> {
      return this.stored.get(key);
    }
    override async set(...args: Parameters<MemoryPickleBackend['set']>): Promise<boolean> {
      return this.stored.set(...args);
    }
    override async delete(key: string): Promise<boolean> {
      return this.stored.delete(key);
    }
  }
  const region = createRegion({ namespace: '' }).configure(new Later());
  await region.set('k', 1);
  expect(await region.get('k')).toBe(1);
  expect(await region.getMulti(['k', 'missing'])).toEqual([1, NO_VALUE]);
  expect(calls).toEqual(['look k', 'look k', 'look missing']);
});
