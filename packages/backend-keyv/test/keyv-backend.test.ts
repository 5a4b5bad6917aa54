/** What is particular to stores of Keyv: what is recognised, what it is given, and whose keys are whose. */

import { describe, expect, jest, test } from '@jest/globals';
import { KeyvBackend, type KeyvStore } from '@stockpile/backend-keyv';
import { createRegion, NO_VALUE, ValidationError } from '@stockpile/core';
import fc from 'fast-check';
import { Keyv } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';
import { Adapter5, Adapter6, BareAdapter5, ManyAdapter5, UNSERIALISED } from './stores.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
const bytes = Buffer.from('value');

async function keysOf(backend: KeyvBackend, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of backend.keys(prefix)) keys.push(key);
  return keys.sort();
}

describe('arguments', () => {
  test.each([
    ['no store', {}],
    ['text', { store: 'redis://user:secret@host' }],
    ['an object that stores nothing', { store: { get: () => 1 } }],
    ['a Keyv of another version', { store: { get() {}, set() {}, delete() {}, generateIterator() {} } }],
    ['a Keyv that hides its errors', { store: new Keyv({ store: new Adapter5(), emitErrors: false }) }],
    ['exclusive', { store: new Map(), exclusive: 1 }],
    ['maxPending', { store: new Map(), maxPending: 0 }],
    ['maxPending as text', { store: new Map(), maxPending: 'many' }],
  ])('%s is refused with ValidationError, without secrets', (_what, args) => {
    const configure = (): unknown => createRegion().configure('keyv', { arguments: args as { store: KeyvStore } });
    expect(configure).toThrow(ValidationError);
    expect(configure).toThrow(/keyv/);
    expect(configure).not.toThrow(/secret/);
  });

  test('flat text is understood', async () => {
    const store = new Adapter5();
    const region = createRegion({ name: 'r' }).configureFromConfig(
      {
        'c.backend': 'keyv',
        'c.arguments.store': store,
        'c.arguments.exclusive': 'true',
        'c.arguments.maxPending': '9',
      },
      'c',
    );
    await region.set('a', 1);
    store.entries.set('of somebody else', 1);
    await region.clear();
    expect(store.entries.size).toBe(0);
  });
});

describe('capabilities are those of the store', () => {
  test.each<[string, KeyvStore, string[]]>([
    ['a Map', new Map(), ['sync', 'ttl', 'enumerate', 'clear']],
    ['Keyv 5', new Keyv(), ['sync', 'ttl', 'enumerate', 'clear']],
    ['Keyv 6', new Keyv6(), ['sync', 'ttl', 'enumerate', 'clear']],
    ['Keyv 5 with statistics', new Keyv({ stats: true }), ['ttl', 'enumerate', 'clear']],
    ['Keyv 5 over an adapter', new Keyv({ store: new Adapter5() }), ['ttl', 'enumerate', 'clear']],
    ['Keyv 5 without an iterator', new Keyv({ store: new BareAdapter5() }), ['ttl']],
    ['Keyv 6 without an iterator', new Keyv6({ store: new BareAdapter5() }), ['ttl']],
    ['an adapter without an iterator', new BareAdapter5(), ['ttl']],
  ])('%s', (_name, store, expected) => {
    expect([...new KeyvBackend({ store }).capabilities]).toEqual(expected);
  });

  test('exclusive adds clear, by the clear of the store', async () => {
    const store = new BareAdapter5();
    const backend = new KeyvBackend({ store: new Keyv({ store, namespace: 'ours' }), exclusive: true });
    expect([...backend.capabilities]).toEqual(['ttl', 'clear']);
    await backend.set('users:1', bytes, FOREVER);
    store.entries.set('theirs:1', 'text');
    await backend.clear('users:');
    expect([...store.entries.keys()]).toEqual(['theirs:1']);
  });
});

describe('keys', () => {
  const adapter = (): Adapter5 => new ManyAdapter5();
  const stores: readonly (readonly [string, (namespace: string) => KeyvStore])[] = [
    ['Keyv 5', (namespace) => new Keyv({ namespace })],
    ['Keyv 5 over an adapter', (namespace) => new Keyv({ store: adapter(), namespace })],
    ['Keyv 6', (namespace) => new Keyv6({ namespace })],
    ['Keyv 6 over an adapter', (namespace) => new Keyv6({ store: new Adapter6() as never, namespace })],
    ['Keyv 6 over an adapter of version 5', (namespace) => new Keyv6({ store: adapter(), namespace })],
  ];

  test.each(stores)('%s: no key is mistaken for one with the namespace before it', async (_name, open) => {
    const text = fc.constantFrom('a', '~', '_', ':', '::', '~a', 'a:', 'users');
    const part = fc.array(text, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));
    await fc.assert(
      fc.asyncProperty(part, fc.uniqueArray(part, { maxLength: 6 }), async (namespace, names) => {
        const keys = [...new Set([...names, ...names.map((name) => `${namespace}:${name}`)])];
        const backend = new KeyvBackend({ store: open(namespace) });
        for (const key of keys) await backend.set(key, Buffer.from(key), FOREVER);
        for (const key of keys) expect(await backend.get(key)).toEqual(Buffer.from(key));
        expect(await backend.getMulti(keys)).toEqual(keys.map((key) => Buffer.from(key)));
        expect(await keysOf(backend)).toEqual([...keys].sort());
        for (const key of keys) expect(await backend.delete(key)).toBe(true);
        expect(await keysOf(backend)).toEqual([]);
      }),
      { numRuns: 30, examples: [['~', [':a', 'a', ':~a']]] },
    );
  });

  test.each(stores)('%s: clear leaves the entries of the application alone', async (_name, open) => {
    const store = open('app');
    const keyv = store as Keyv;
    await keyv.set('users:1', 'of the application');
    const users = new KeyvBackend({ store });
    await users.set('users:1', bytes, FOREVER);
    await users.set('orders:1', bytes, FOREVER);
    await users.clear('users:');
    expect(await keysOf(users)).toEqual(['orders:1']);
    expect(await keyv.get('users:1')).toBe('of the application');
  });

  test('two namespaces of Keyv 5 on one Map stay apart', async () => {
    const map = new Map();
    const one = new KeyvBackend({ store: new Keyv({ store: map, namespace: 'a' }) });
    const other = new KeyvBackend({ store: new Keyv({ store: map, namespace: 'ba' }) });
    await one.set('key', Buffer.from('1'), FOREVER);
    await other.set('key', Buffer.from('2'), FOREVER);
    expect(await keysOf(one)).toEqual(['key']);
    await one.clear('');
    expect(await one.get('key')).toBe(NO_VALUE);
    expect(await other.get('key')).toEqual(Buffer.from('2'));
  });
});

describe('entries in the Map of a Keyv', () => {
  const KEYVS: readonly (readonly [string, () => object])[] = [
    ['Keyv 5', () => new Keyv()],
    ['Keyv 5 without serialisation', () => new Keyv(UNSERIALISED)],
    ['Keyv 6', () => new Keyv6()],
    ['Keyv 6 without serialisation', () => new Keyv6({ serialization: false })],
  ];
  test.each(KEYVS)('%s reads what the driver has written, and the driver what Keyv has', async (_name, make) => {
    const keyv = make() as Keyv;
    const backend = new KeyvBackend({ store: keyv });
    await backend.set('a', bytes, { ttl: 60_000 });
    await backend.set('b', bytes, FOREVER);
    expect(await keyv.get('~a')).toEqual(bytes);
    const listed: unknown[] = [];
    for await (const [key] of keyv.iterator?.({}) ?? []) listed.push(key);
    expect(listed.sort()).toEqual(['~a', '~b']);
    expect(await keyv.has('~b')).toBe(true);
    await keyv.set('~c', Buffer.from('of Keyv'), 60_000);
    expect(await backend.get('c')).toEqual(Buffer.from('of Keyv'));
    await keyv.set('~d', { not: 'bytes' });
    expect(await backend.get('d')).toBe(NO_VALUE);
  });

  test('that have ended leave with the writes of others, also if nobody asks for them', async () => {
    let now = 1_000_000;
    const map = new Map<string, unknown>([['of somebody else', 1]]);
    const backend = new KeyvBackend({ store: map, clock: { now: () => now } });
    for (let i = 0; i < 100; i++) await backend.set(`short ${i}`, bytes, { ttl: 10 });
    now += 10;
    for (let i = 0; i < 110; i++) await backend.set('key', bytes, FOREVER);
    expect([...map.keys()].sort()).toEqual(['of somebody else', '~key']);
  });
});

describe('what a store is given', () => {
  test('ttls are whole ms from 1, and left out for ever', async () => {
    const store = new ManyAdapter5();
    const set = jest.spyOn(store, 'set');
    const backend = new KeyvBackend({ store: new Keyv({ store }) });
    for (const ttl of [0.2, 1.5, 1e15, Number.POSITIVE_INFINITY]) await backend.set('key', bytes, { ttl });
    expect(set.mock.calls.map(([, , ttl]) => ttl)).toEqual([1, 2, undefined, undefined]);
  });

  test('an adapter of version 6 is given the time at which the entry ends', async () => {
    const store = new Adapter6();
    const set = jest.spyOn(store, 'set');
    const before = Date.now();
    await new KeyvBackend({ store }).set('key', bytes, { ttl: 1000 });
    const expires = set.mock.calls[0]?.[2] ?? 0;
    expect(expires).toBeGreaterThanOrEqual(before + 1000);
    expect(expires).toBeLessThanOrEqual(Date.now() + 1000);
  });

  test('many keys are one call where the store has one, and each key is asked for once', async () => {
    const store = new ManyAdapter5();
    const [getMany, setMany] = [jest.spyOn(store, 'getMany'), jest.spyOn(store, 'setMany')];
    const region = createRegion({ name: 'r' }).configure(new KeyvBackend({ store: new Keyv({ store }) }));
    await region.setMulti({ a: 1, b: 2 });
    expect(await region.getMulti(['a', 'b', 'a', 'c'])).toEqual([1, 2, 1, NO_VALUE]);
    expect(setMany).toHaveBeenCalledTimes(1);
    expect(getMany.mock.calls.map(([keys]) => keys)).toEqual([['keyv:~r:a', 'keyv:~r:b', 'keyv:~r:c']]);
  });

  test('a compression that takes text gets text, and the bytes come back', async () => {
    const compression = {
      compress: async (value: unknown) => Buffer.from(String(value)).toString('hex'),
      decompress: async (value: unknown) => Buffer.from(String(value), 'hex').toString(),
    };
    const backend = new KeyvBackend({ store: new Keyv({ compression: compression as never }) });
    const binary = Buffer.from([0, 255, 128, 10]);
    await backend.set('key', binary, FOREVER);
    expect(await backend.get('key')).toEqual(binary);
  });

  test('an entry that Keyv cannot parse is a miss, for one key and among many', async () => {
    const store = new ManyAdapter5();
    for (const make of [() => new Keyv({ store }), () => new Keyv6({ store, namespace: 'keyv' })]) {
      const backend = new KeyvBackend({ store: make() });
      await backend.set('good', bytes, FOREVER);
      await backend.set('bad', bytes, FOREVER);
      for (const key of store.entries.keys()) if (key.endsWith('bad')) store.entries.set(key, '{"value":');
      expect(await backend.get('bad')).toBe(NO_VALUE);
      expect(await backend.getMulti(['good', 'bad'])).toEqual([bytes, NO_VALUE]);
      expect(backend.servers()).toMatchObject([{ state: 'up' }]);
    }
  });

  test('the settings of the Keyv stay as they were', async () => {
    const keyv = new Keyv({ store: new Adapter5(), ttl: 1000 });
    const before = { ...keyv.opts };
    const backend = new KeyvBackend({ store: keyv });
    await backend.set('key', bytes, FOREVER);
    await backend.close();
    expect({ ...keyv.opts }).toEqual(before);
    expect(keyv.throwOnErrors).toBe(false);
    expect(keyv.listeners('error')).toEqual([]);
  });
});
