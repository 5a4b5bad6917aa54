/** keys, entries, size and clear: of one namespace, never more. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  BytesBackend,
  type Capability,
  createRegion,
  NO_VALUE,
  type NoValue,
  type Region,
  sharedInvalidator,
} from '@stockpile/core';
import { all, BareBackend, failureOf, recorded, regionOn, TestClock, VARIANTS } from './fixtures.js';

describe.each(VARIANTS)('%s over %s', (_face, backend, of) => {
  test('93: keys are the stored ones of the namespace, as the application wrote them', async () => {
    const operations = of(regionOn(backend, {}, { name: 'a:b%' }).region);
    expect(await all(operations.keys())).toEqual([]);
    await operations.setMulti({ 'user:1': 1, 'user:2': 2, 'order:1': 3 });
    expect((await all(operations.keys())).sort()).toEqual(['order:1', 'user:1', 'user:2']);
    expect((await all(operations.keys({ prefix: 'user:' }))).sort()).toEqual(['user:1', 'user:2']);
    expect(await all(operations.keys({ prefix: 'x' }))).toEqual([]);
    expect(await operations.size()).toBe(3);
  });

  test('93: keys has stale and invalidated ones too, entries only fresh values', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1s', grace: '1h' });
    const operations = of(region);
    await operations.set('stale', 1);
    clock.time += 1000;
    await operations.setMulti({ fresh: undefined, tagged: 2 }, { tags: ['t'] });
    await operations.set('invalid', 3, { tags: ['gone'] });
    await operations.invalidate({ tags: ['gone'] });
    expect((await all(operations.keys())).sort()).toEqual(['fresh', 'invalid', 'stale', 'tagged']);
    expect((await all(operations.entries())).sort()).toEqual([
      ['fresh', undefined],
      ['tagged', 2],
    ]);
    expect(await all(operations.entries({ prefix: 'tag' }))).toEqual([['tagged', 2]]);
    expect(await operations.size()).toBe(4);
    clock.time += 3_600_000 + 1000;
    expect(await operations.size()).toBe(0);
  });

  test('93: entries reads many pages', async () => {
    const operations = of(regionOn(backend).region);
    const items = new Map(Array.from({ length: 250 }, (_, i) => [`k${i}`, i]));
    await operations.setMulti(items);
    expect(new Map((await all(operations.entries())) as [string, number][])).toEqual(items);
  });

  test('93: clear removes the namespace and spares others', async () => {
    const { region } = regionOn(backend, {}, { name: 'users' });
    const clock = new TestClock();
    const neighbour = createRegion({ name: 'users2', clock }).configure(region.actualBackend);
    await of(region).setMulti({ a: 1, b: 2 });
    await of(neighbour).set('a', 3);
    await of(region).clear();
    expect(await of(region).getMulti(['a', 'b'])).toEqual([NO_VALUE, NO_VALUE]);
    expect(await of(region).size()).toBe(0);
    expect(await of(neighbour).get('a')).toBe(3);
  });

  test('93: what the shared invalidator keeps is not among them', async () => {
    const { region } = regionOn(backend, { regionInvalidator: sharedInvalidator() });
    const operations = of(region);
    await operations.invalidate();
    await operations.set('k', 1);
    expect(await all(operations.keys())).toEqual(['k']);
    expect(await all(operations.entries())).toEqual([['k', 1]]);
    expect(await operations.size()).toBe(1);
  });

  test('58, 93: clear beats a creator that is running', async () => {
    const { region } = regionOn(backend);
    const value = await region.getOrCreate('k', async () => {
      await of(region).clear();
      return 'late';
    });
    expect(value).toBe('late');
    expect(await of(region).get('k')).toBe(NO_VALUE);
    expect(region.stats().superseded).toBe(1);
  });

  test('counts no hits: nobody asked for a key', async () => {
    const { region } = regionOn(backend);
    await of(region).setMulti({ a: 1, b: 2 });
    await all(of(region).entries());
    expect(region.stats()).toMatchObject({ hits: 0, misses: 0 });
  });
});

test('93: the loop may end early, and use the region meanwhile', async () => {
  const { region } = regionOn('memory');
  await region.setMulti({ a: 1, b: 2, c: 3 });
  for (const key of region.sync.keys()) region.sync.delete(key);
  expect(await region.size()).toBe(0);
  await region.setMulti({ a: 1, b: 2, c: 3 });
  for await (const [key] of region.entries()) {
    await region.delete(key);
    break;
  }
  expect(await region.size()).toBe(2);
});

test('93: a backend that enumerates asynchronously', async () => {
  const bytes = new MemoryPickleBackend();
  class Remote extends BytesBackend {
    readonly name = 'remote';
    readonly capabilities = new Set<Capability>(['enumerate']);
    override async get(key: string): Promise<Uint8Array | NoValue> {
      return bytes.get(key);
    }
    override async set(...args: Parameters<MemoryPickleBackend['set']>): Promise<boolean> {
      return bytes.set(...args);
    }
    override async delete(key: string): Promise<boolean> {
      return bytes.delete(key);
    }
    override async *keys(prefix: string): AsyncGenerator<string> {
      yield* bytes.keys(prefix);
    }
  }
  const region = createRegion({ name: 'users' }).configure(new Remote());
  await createRegion({ name: 'other' }).configure(bytes).set('x', 1);
  await region.setMulti({ a: 1, b: 2 });
  expect(await all(region.keys())).toEqual(['a', 'b']);
  expect(await all(region.entries())).toEqual([
    ['a', 1],
    ['b', 2],
  ]);
  expect(await region.size()).toBe(2);
});

test('the region without a namespace has the whole store', async () => {
  const backend = new MemoryBackend();
  const whole = createRegion({ namespace: '' }).configure(backend);
  await createRegion({ name: 'users' }).configure(backend).set('ada', 1);
  await whole.set('plain', 2);
  expect((await all(whole.keys())).sort()).toEqual(['plain', 'users:ada']);
});

describe('a driver whose enumeration fails', () => {
  class Endless extends BareBackend {
    override readonly capabilities: ReadonlySet<Capability> = new Set<Capability>(['enumerate']);

    override async *keys(): AsyncGenerator<string> {
      yield 'r:a';
      await new Promise(() => {});
    }
  }
  class Failing extends Endless {
    override async *keys(): AsyncGenerator<string> {
      yield 'r:a';
      throw new Error('ECONNRESET');
    }
  }
  const WAYS: Record<string, (region: Region) => Promise<unknown>> = {
    size: (region) => region.size(),
    keys: (region) => all(region.keys()),
    entries: (region) => all(region.entries()),
  };

  test.each(Object.keys(WAYS))('82: %s over one that falls silent is rejected after the timeout', async (way) => {
    const region = createRegion({ name: 'r' }).configure(new Endless(), { timeout: 30 });
    expect((await failureOf(() => WAYS[way]?.(region))).code).toBe('ERR_STOCKPILE_BACKEND_TIMEOUT');
  });

  test.each(Object.keys(WAYS))('82: %s over one that throws is rejected with a typed error', async (way) => {
    const region = createRegion({ name: 'r' }).configure(new Failing());
    const failure = await failureOf(() => WAYS[way]?.(region));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', cause: { message: 'ECONNRESET' } });
    expect(region.stats().errors).toBeGreaterThan(0);
  });
});

test('82: a driver whose keys() throws at once is told by a typed error in both forms', async () => {
  const backend = new MemoryBackend();
  jest.spyOn(backend, 'keys').mockImplementation(() => {
    throw new Error('ECONNRESET');
  });
  const region = createRegion().configure(backend);
  expect((await failureOf(() => region.size())).code).toBe('ERR_STOCKPILE_BACKEND_UNAVAILABLE');
  expect((await failureOf(() => region.sync.size())).code).toBe('ERR_STOCKPILE_BACKEND_UNAVAILABLE');
});

test('93: clear without a namespace is refused on a backend that is not synchronous', async () => {
  const { backend } = recorded();
  Object.defineProperty(backend, 'capabilities', {
    value: new Set([...backend.capabilities].filter((capability) => capability !== 'sync')),
  });
  const whole = createRegion({ namespace: '' }).configure(backend);
  await createRegion({ name: 'users' }).configure(backend).set('ada', 1);
  expect((await failureOf(() => whole.clear())).code).toBe('ERR_STOCKPILE_VALIDATION');
  expect(await whole.size()).toBe(1);
});
