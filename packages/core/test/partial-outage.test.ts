/** Some of a backend's servers are down: what concerns the others goes on as ever. */

import { describe, expect, jest, test } from '@jest/globals';
import {
  Backend,
  BytesBackend,
  type Capability,
  createRegion,
  type MultiCreatorContext,
  NO_VALUE,
  type NoValue,
  ProxyBackend,
  type ServerState,
} from '@stockpile/core';
import { Storage } from './helpers/async-backend.js';
import { FaultyBackend } from './helpers/faulty-backend.js';
import { regionOn } from './helpers/setups.js';
import { failureOf, TestClock } from './helpers/time.js';

/** Keys with 'x' are on a server that is dead. */
class HalfDown extends FaultyBackend {
  constructor(clock: TestClock) {
    super(new Storage(clock), { locks: true });
    this.fail('refuse', ['get:r:x', 'set:r:x', 'lock:r:x', 'unlock:r:x']);
  }
  override getMulti(keys: readonly string[]): ReturnType<FaultyBackend['getMulti']> {
    return Backend.prototype.getMulti.call(this, keys) as ReturnType<FaultyBackend['getMulti']>;
  }
}

describe('getOrCreateMulti', () => {
  test('serves the hits of the others, creates the rest in one call, and stores what can be stored', async () => {
    const clock = new TestClock();
    const region = regionOn(new HalfDown(clock), clock);
    await region.set('a', 'stored');
    const creator = jest.fn((keys: readonly string[], _: MultiCreatorContext) => keys.map((key) => `made ${key}`));
    expect(await region.getOrCreateMulti(['a', 'x', 'b'], creator)).toEqual(['stored', 'made x', 'made b']);
    expect(creator.mock.calls.map(([keys]) => keys)).toEqual([['x', 'b']]);
    expect(await region.get('b')).toBe('made b');
    const missReasons = { absent: 1, unavailable: 1 };
    expect(region.stats()).toMatchObject({ hits: 2, misses: 2, missReasons, creations: 1 });
    expect(await region.getOrCreate('x', () => 'made')).toBe('made');
    expect(region.stats().missReasons).toMatchObject({ absent: 1, unavailable: 2 });
  });

  test('with failOpen: false is rejected, naming the keys', async () => {
    const clock = new TestClock();
    const region = regionOn(new HalfDown(clock), clock, { failOpen: false });
    const failure = await failureOf(region.getOrCreateMulti(['a', 'x'], (keys) => keys.map(() => 1)));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', keys: ['x'] });
  });
});

test('getMulti that the application asked for is rejected, naming the keys', async () => {
  const clock = new TestClock();
  const region = regionOn(new HalfDown(clock), clock);
  expect(await failureOf(region.getMulti(['a', 'x', 'b']))).toMatchObject({ keys: ['x'] });
});

describe('a driver of bytes', () => {
  const state: ServerState = { server: 'here:1', state: 'down', since: 1 };
  class Bytes extends BytesBackend {
    readonly name = 'bytes';
    readonly capabilities: ReadonlySet<Capability> = new Set<Capability>();
    readonly #entries = new Map<string, Uint8Array>();

    override get(key: string): Promise<Uint8Array | NoValue> {
      if (key.endsWith('x')) return Promise.reject(new Error('dead'));
      return Promise.resolve(this.#entries.get(key) ?? NO_VALUE);
    }
    override set(key: string, item: Uint8Array): boolean {
      this.#entries.set(key, item);
      return true;
    }
    override delete(): boolean {
      return false;
    }
    override servers(): readonly ServerState[] {
      return [state];
    }
  }

  test('has what it found decoded; the default getMulti tells it by itself', async () => {
    const region = createRegion({ name: 'r' }).configure(new Bytes());
    await region.set('a', { deep: [1] });
    const made = await region.getOrCreateMulti(['x', 'a'], (keys) => keys.map((key) => `made ${key}`));
    expect(made).toEqual(['made x', { deep: [1] }]);
  });

  test('tells of its servers through proxies', () => {
    const region = createRegion({ name: 'r' }).configure(new Bytes(), { wrap: [ProxyBackend] });
    expect(region.stats().servers).toEqual([state]);
    expect(createRegion().stats().servers).toEqual([]);
  });
});
