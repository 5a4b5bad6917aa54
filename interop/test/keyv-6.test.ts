/** Keyv 6 over regions: what its unpublished suite for storage adapters asks. It says Node.js 22, and runs on 20. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type RegionStore, regionStore } from '@stockpile/backend-keyv';
import { createRegion } from '@stockpile/core';
import { Keyv } from 'keyv-6';
import { type Opened, REGIONS } from './regions.js';

/** ms. Long enough to be read before, short enough to be waited for. */
const TTL = 150;
const outlive = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms + 20));

async function entriesOf(keyv: Keyv): Promise<[string, unknown][]> {
  const entries: [string, unknown][] = [];
  for await (const [key, value] of keyv.iterator()) entries.push([key as string, value]);
  return entries.sort();
}

describe.each(Object.keys(REGIONS))('over %s', (name) => {
  let opened: Opened;
  const store = (): RegionStore => regionStore(opened.region);
  const open = (namespace?: string): Keyv =>
    new Keyv(namespace === undefined ? { store: store() } : { store: store(), namespace });
  beforeAll(async () => {
    opened = await (REGIONS[name] as () => Promise<Opened>)();
  });
  afterEach(() => opened.region.clear());
  afterAll(() => opened.close());

  test('the adapter is taken for one, not for a Map or for nothing', () => {
    const errors: unknown[] = [];
    const adapter = store();
    const keyv = new Keyv({ store: adapter });
    keyv.on('error', (error: unknown) => errors.push(error));
    expect(keyv.store.constructor.name).toBe('KeyvBridgeAdapter');
    expect((keyv.store as unknown as { store: unknown }).store).toBe(adapter);
    expect(errors).toEqual([]);
  });

  test('get answers with what was set, else with undefined', async () => {
    const keyv = open();
    expect(await keyv.set('key', 'value')).toBe(true);
    expect(await keyv.get('key')).toBe('value');
    expect(await keyv.get('absent')).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['false', false],
    ['null', null],
    ['zero', 0],
    ['an empty text', ''],
    ['a text with a colon first', ':text'],
    ['an object', { a: { b: [1, 'two'] } }],
    ['a Buffer', Buffer.from([0, 1, 255])],
    ['a BigInt', 2n ** 70n],
    ['quotes', `'"\``],
  ])('a value can be %s', async (_what, value) => {
    const keyv = open();
    await keyv.set('key', value);
    expect(await keyv.get('key')).toEqual(value);
  });

  test('without serialisation, objects are stored as they are', async () => {
    const keyv = new Keyv({ store: store(), serialization: false });
    await keyv.set('key', { date: new Date(0) }, 60_000);
    expect(await keyv.get('key')).toEqual({ date: new Date(0) });
  });

  test('a set replaces value and ttl', async () => {
    const keyv = open();
    await keyv.set('key', 1, TTL);
    await keyv.set('key', 2);
    await outlive(TTL);
    expect(await keyv.get('key')).toBe(2);
  });

  test('an entry is gone after its ttl, for every method', async () => {
    const keyv = open('app');
    await keyv.set('short', 1, TTL);
    await keyv.set('long', 2, 60_000);
    expect(await keyv.getMany(['short', 'long'])).toEqual([1, 2]);
    await outlive(TTL);
    expect(await keyv.get('short')).toBeUndefined();
    expect(await keyv.getMany(['short', 'long'])).toEqual([undefined, 2]);
    expect(await keyv.has('short')).toBe(false);
    expect(await keyv.hasMany(['short', 'long'])).toEqual([false, true]);
    expect(await entriesOf(keyv)).toEqual([['long', 2]]);
  });

  test('the region frees it too, where Keyv leaves that to the adapter', async () => {
    const keyv = new Keyv({ store: store(), checkExpired: false });
    await keyv.set('key', 1, TTL);
    expect(await keyv.has('key')).toBe(true);
    await outlive(TTL);
    expect(await keyv.get('key')).toBeUndefined();
    expect(await keyv.has('key')).toBe(false);
    expect(await opened.region.getEntry('key')).toBe(Symbol.for('stockpile.NO_VALUE'));
  });

  test('the default ttl of a Keyv is that of entries without one', async () => {
    const keyv = new Keyv({ store: store(), ttl: TTL });
    await keyv.set('key', 1);
    await outlive(TTL);
    expect(await keyv.get('key')).toBeUndefined();
  });

  test('setMany and getMany, each with its own ttl', async () => {
    const keyv = open('app');
    const items = [
      { key: 'a', value: 1, ttl: TTL },
      { key: 'b', value: 2 },
      { key: 'c', value: 3, ttl: TTL },
    ];
    expect(await keyv.setMany(items)).toEqual([true, true, true]);
    expect(await keyv.getMany(['c', 'absent', 'a', 'b', 'a'])).toEqual([3, undefined, 1, 2, 1]);
    await outlive(TTL);
    expect(await keyv.getMany(['a', 'b', 'c'])).toEqual([undefined, 2, undefined]);
  });

  test('many of nothing is nothing', async () => {
    const keyv = open();
    expect(await keyv.getMany([])).toEqual([]);
    expect(await keyv.setMany([])).toEqual([]);
    expect(await keyv.deleteMany([])).toEqual([]);
  });

  test('a raw entry keeps its end', async () => {
    const keyv = open();
    const expires = Date.now() + TTL;
    await keyv.setRaw('key', { value: 1, expires });
    expect(await keyv.getRaw('key')).toEqual({ value: 1, expires });
    await keyv.setRaw('past', { value: 1, expires: Date.now() - 1 });
    expect(await keyv.getRaw('past')).toBeUndefined();
    await outlive(TTL);
    expect(await keyv.getRaw('key')).toBeUndefined();
  });

  test('delete says whether it was there', async () => {
    const keyv = open();
    await keyv.set('key', 1);
    expect(await keyv.delete('key')).toBe(true);
    expect(await keyv.delete('key')).toBe(false);
    expect(await keyv.get('key')).toBeUndefined();
  });

  test('deleteMany removes all of them', async () => {
    const keyv = open('app');
    await keyv.setMany(['a', 'b', 'c'].map((key) => ({ key, value: 1 })));
    expect(await keyv.deleteMany(['a', 'b'])).toEqual([true, true]);
    expect(await keyv.deleteMany(['a', 'b'])).toEqual([false, false]);
    expect(await keyv.getMany(['a', 'b', 'c'])).toEqual([undefined, undefined, 1]);
  });

  test('namespaces keep their keys apart', async () => {
    const [users, orders, none] = [open('users'), open('orders'), open()];
    await users.set('key', 'user');
    await orders.set('key', 'order');
    await none.set('key', 'none');
    await none.set('users:key', 'not of users');
    expect([await users.get('key'), await orders.get('key'), await none.get('key')]).toEqual(['user', 'order', 'none']);
    await users.delete('key');
    expect(await orders.has('key')).toBe(true);
    expect(await none.has('users:key')).toBe(true);
  });

  test('clear is of the namespace', async () => {
    const [users, orders, none] = [open('users'), open('orders'), open()];
    for (const keyv of [users, orders, none]) await keyv.setMany(['a', 'b'].map((key) => ({ key, value: 1 })));
    await users.clear();
    expect([await entriesOf(users), (await entriesOf(orders)).length]).toEqual([[], 2]);
    expect(await none.get('a')).toBe(1);
    await none.clear();
    expect(await orders.has('a')).toBe(false); // without a namespace, it is all of the region
  });

  test('the iterator yields keys and values of its namespace', async () => {
    const [users, orders] = [open('users'), open('orders')];
    for (let i = 0; i < 250; i++) await users.set(`key ${i}`, i);
    await orders.set('key', 'order');
    expect((await entriesOf(users)).length).toBe(250);
    expect(await entriesOf(orders)).toEqual([['key', 'order']]);
  });

  test('odd keys come back as they were', async () => {
    const keyv = open('a:b');
    const keys = [' ', 'a\nb', '::', 'a::b', '😀', '__proto__', 'k'.repeat(1000)].sort();
    for (const key of keys) await keyv.set(key, key);
    expect(await keyv.getMany(keys)).toEqual(keys);
    expect(await entriesOf(keyv)).toEqual(keys.map((key) => [key, key]));
  });

  test('an empty key is nobody', async () => {
    const keyv = open();
    expect(await keyv.set('', 1)).toBe(false);
    expect(await keyv.get('')).toBeUndefined();
  });

  test('what fails rejects without a listener, and is told to one', async () => {
    const tooLong = 'k'.repeat(70_000);
    await expect(open().set(tooLong, 1)).rejects.toThrow(/65536/);
    const keyv = open();
    const codes: unknown[] = [];
    keyv.on('error', ({ code }: { code: string }) => codes.push(code));
    expect(await keyv.set(tooLong, 1)).toBe(false);
    expect(await keyv.get(tooLong)).toBeUndefined();
    expect(await keyv.getMany([tooLong])).toEqual([undefined]);
    expect(new Set(codes)).toEqual(new Set(['ERR_STOCKPILE_VALIDATION']));
  });

  test('disconnect leaves the region open, unless it is to close it', async () => {
    const keyv = open();
    await keyv.disconnect();
    expect(await keyv.set('key', 1)).toBe(true);
    const own = createRegion({ name: 'own' }).configure('memory');
    await new Keyv({ store: regionStore(own, { closeOnDisconnect: true }) }).disconnect();
    await expect(own.get('key')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_REGION_CLOSED' });
  });
});
