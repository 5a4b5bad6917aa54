/** A region as a store of Keyv: what Keyv's own suites do not ask. Those run in interop/. */

import { describe, expect, jest, test } from '@jest/globals';
import { type RegionStore, regionStore } from '@stockpile/backend-keyv';
import {
  type Capability,
  createRegion,
  jsonSerializer,
  NO_VALUE,
  ProxyBackend,
  type Region,
  sharedInvalidator,
  ValidationError,
} from '@stockpile/core';
import '@stockpile/backend-lru';
import '@stockpile/backend-memory';
import '@stockpile/backend-memory-pickle';
import { ManualClock } from '@stockpile/testkit';
import { Keyv } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';

/** A backend that cannot do all that it could. */
class Without extends ProxyBackend {
  readonly #missing: readonly Capability[];
  constructor(...missing: Capability[]) {
    super();
    this.#missing = missing;
  }
  override get capabilities(): ReadonlySet<Capability> {
    return new Set([...super.capabilities].filter((capability) => !this.#missing.includes(capability)));
  }
}

/** A backend whose reads and writes fail. */
class Broken extends ProxyBackend {
  override get(): never {
    throw new Error('lost');
  }
  override set(): never {
    throw new Error('lost');
  }
}

function memory(...wrap: ProxyBackend[]): Region {
  return createRegion({ name: 'r' }).configure('memory', { grace: 0, wrap });
}

test.each([
  ['undefined', undefined],
  ['a Map', new Map()],
  ['a URL', 'redis://host'],
])('%s is no region', (_what, region) => {
  expect(() => regionStore(region as unknown as Region)).toThrow(ValidationError);
});

test('closeOnDisconnect is a boolean', () => {
  expect(() => regionStore(memory(), { closeOnDisconnect: 'yes' as unknown as boolean })).toThrow(/closeOnDisconnect/);
});

describe.each(['memory', 'memory-pickle', 'lru'])('over %s', (backend) => {
  test('Keyv 5 and 6 set, get, list, delete and clear', async () => {
    for (const make of [Keyv, Keyv6 as unknown as typeof Keyv]) {
      const region = createRegion({ name: 'r', serializer: jsonSerializer }).configure(backend, { grace: 0 });
      const keyv = new make({ store: regionStore(region), namespace: 'app' });
      await keyv.set('a', { id: 1 });
      await keyv.set('b', 2, 60_000);
      expect(await keyv.get('a')).toEqual({ id: 1 });
      const listed: unknown[] = [];
      for await (const entry of keyv.iterator?.({}) ?? []) listed.push(entry);
      expect(listed).toContainEqual(['b', 2]);
      expect(await keyv.delete('a')).toBe(true);
      await keyv.clear();
      expect(await keyv.get('b')).toBeUndefined();
      expect(await region.size()).toBe(0);
    }
  });
});

describe('ttl', () => {
  const HOUR = 3_600_000;

  test.each<[string, number | undefined, number | undefined]>([
    ['a number of ms', 1500, 1500],
    ['a fraction', 0.5, 0.5],
    ['none: that of the region', undefined, HOUR],
    ['0, for ever in Keyv: that of the region', 0, HOUR],
    ['null from callers of Keyv', null as unknown as number, HOUR],
    ['NaN', Number.NaN, HOUR],
    ['Infinity', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    ['negative: gone at once', -1, undefined],
  ])('%s', async (_what, ttl, expected) => {
    const region = createRegion({ name: 'r', clock: new ManualClock() }).configure('memory', { expirationTime: '1h' });
    const store = regionStore(region);
    await store.set('before', 1);
    expect(await store.set('key', 1, ttl)).toBe(true);
    expect(await store.setMany([{ key: 'many', value: 1, ttl }])).toEqual([true]);
    for (const key of ['key', 'many']) {
      const entry = await region.getEntry(key);
      expect(entry === NO_VALUE ? undefined : entry.expirationTime).toBe(expected);
    }
  });

  test('within the grace of the region an entry is kept, but not handed out', async () => {
    const clock = new ManualClock();
    const region = createRegion({ name: 'r', clock }).configure('memory', { grace: '1h' });
    const store = regionStore(region);
    await store.set('key', 1, 1000);
    clock.advance(1000);
    expect([await store.get('key'), await store.has('key'), await store.getMany(['key'])]).toEqual([
      undefined,
      false,
      [undefined],
    ]);
    for await (const entry of store.iterator()) expect(entry).toBeUndefined();
    expect(await region.getEntry('key')).toMatchObject({ stale: true });
  });
});

describe('clear', () => {
  /** Two namespaces in one region, the first of which is cleared. */
  async function cleared(region: Region): Promise<unknown[]> {
    const [one, other] = ['one', 'other'].map((namespace) => new Keyv({ store: regionStore(region), namespace }));
    for (const keyv of [one, other]) for (let i = 0; i < 1100; i++) await keyv?.set(`${i}`, i);
    await one?.clear();
    return [await one?.get('7'), await other?.get('7'), await other?.get('1099')];
  }

  test('is of the namespace', async () => {
    expect(await cleared(memory())).toEqual([undefined, 7, 1099]);
  });

  test('is of the whole region where keys cannot be listed', async () => {
    expect(await cleared(memory(new Without('enumerate')))).toEqual([undefined, undefined, undefined]);
  });

  test('invalidates the region where nothing can be cleared', async () => {
    const region = memory(new Without('enumerate', 'clear'));
    expect(await cleared(region)).toEqual([undefined, undefined, undefined]);
    const keyv = new Keyv({ store: regionStore(region) });
    await keyv.set('new', 1);
    expect(await keyv.get('new')).toBe(1);
  });

  test('is then seen by other processes with a shared invalidator', async () => {
    const cacheMap = new Map();
    const [one, other] = [1, 2].map(() =>
      createRegion({ name: 'r' }).configure('memory', {
        arguments: { cacheMap },
        wrap: [new Without('enumerate', 'clear')],
        regionInvalidator: sharedInvalidator({ pollInterval: 0 }),
      }),
    ) as [Region, Region];
    await regionStore(one).set('key', 1);
    await regionStore(one).clear();
    expect(await regionStore(other).get('key')).toBeUndefined();
  });

  test('without a namespace is of the region, and of no other', async () => {
    const cacheMap = new Map();
    const [users, orders] = ['users', 'orders'].map((name) =>
      createRegion({ name }).configure('memory', { arguments: { cacheMap } }),
    ) as [Region, Region];
    await users.set('key', 1);
    await orders.set('key', 1);
    await new Keyv6({ store: regionStore(users) }).clear();
    expect([await users.get('key'), await orders.get('key')]).toEqual([NO_VALUE, 1]);
  });
});

describe('what goes wrong', () => {
  test('rejects, and is told by Keyv 5 also where its get hides it', async () => {
    const keyv = new Keyv({ store: regionStore(memory(new Broken())) });
    const listener = jest.fn();
    keyv.on('error', listener);
    expect(await keyv.get('key')).toBeUndefined();
    expect(listener.mock.calls).toEqual([[expect.objectContaining({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' })]]);
    expect(await keyv.set('key', 1)).toBe(false);
    expect(listener).toHaveBeenCalledTimes(2);
    keyv.throwOnErrors = true;
    await expect(keyv.get('key')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  });

  test('ends nothing where nobody listens', async () => {
    const store = regionStore(memory(new Broken()));
    await expect(store.get('key')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
    expect(await new Keyv({ store }).get('key')).toBeUndefined();
    await expect(new Keyv6({ store }).get('key')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  });

  test('an iterator where keys cannot be listed rejects with CapabilityError', async () => {
    const store = regionStore(memory(new Without('enumerate')));
    await expect(store.iterator().next()).rejects.toMatchObject({ code: 'ERR_STOCKPILE_CAPABILITY' });
  });

  test('a region that is configured later, or never', async () => {
    const region = createRegion({ name: 'later' });
    const store: RegionStore = regionStore(region);
    await expect(store.get('key')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_REGION_NOT_CONFIGURED' });
    region.configure('memory');
    expect(await store.get('key')).toBeUndefined();
  });
});

test('what the application invalidates or sets, Keyv sees, and the other way round', async () => {
  const region = memory();
  const keyv = new Keyv({ store: regionStore(region), namespace: 'app' });
  await keyv.set('key', 1);
  expect(await region.get('app:key')).toBe('{"value":1}');
  await region.invalidate();
  expect(await keyv.get('key')).toBeUndefined();
  expect(region.stats()).toMatchObject({ hits: 1 });
});

test('disconnect closes the region only if it is to', async () => {
  const region = memory();
  await new Keyv({ store: regionStore(region) }).disconnect();
  expect(await region.get('key')).toBe(NO_VALUE);
  await new Keyv({ store: regionStore(region, { closeOnDisconnect: true }) }).disconnect();
  await expect(region.get('key')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_REGION_CLOSED' });
});
