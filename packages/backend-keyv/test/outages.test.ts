/** A store that hangs, rejects, throws, emits its errors or answers false: what the driver makes of it. */

import { describe, expect, jest, test } from '@jest/globals';
import { KeyvBackend, type KeyvStore } from '@stockpile/backend-keyv';
import { BackendUnavailableError, createRegion, NO_VALUE, StockpileError } from '@stockpile/core';
import { Keyv } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';
import { failureInTime, recovery, settledInTime } from './in-time.js';
import { Adapter5, Adapter6, ManyAdapter5, type Trouble } from './stores.js';

const TIMEOUT = 200;
const FOREVER = { ttl: Number.POSITIVE_INFINITY };
const bytes = Buffer.from('value');
const items = new Map([
  ['a', bytes],
  ['b', bytes],
]);

type Wrap = (adapter: Adapter5) => KeyvStore;
/** An adapter, and what is between it and the driver. */
const STORES: readonly (readonly [string, () => Adapter5, Wrap])[] = [
  ['Keyv 5', () => new Adapter5(), (store) => new Keyv({ store })],
  ['Keyv 5 with many', () => new ManyAdapter5(), (store) => new Keyv({ store })],
  ['Keyv 5 that throws', () => new ManyAdapter5(), (store) => new Keyv({ store, throwOnErrors: true })],
  ['Keyv 6', () => new Adapter6(), (store) => new Keyv6({ store: store as never })],
  ['Keyv 6 over version 5', () => new ManyAdapter5(), (store) => new Keyv6({ store, namespace: 'app' })],
  ['an adapter', () => new Adapter5(), (store) => store],
  ['an adapter with many', () => new Adapter6(), (store) => store],
];

const OPERATIONS: Readonly<Record<string, (backend: KeyvBackend) => unknown>> = {
  get: (backend) => backend.get('a'),
  getMulti: (backend) => backend.getMulti(['a', 'b', 'a']),
  set: (backend) => backend.set('a', bytes, FOREVER),
  setMulti: (backend) => backend.setMulti(items, { ttl: 1000 }),
  delete: (backend) => backend.delete('a'),
  deleteMulti: (backend) => backend.deleteMulti(['a', 'b']),
  clear: (backend) => backend.clear('a'),
  keys: async (backend) => {
    for await (const _ of backend.keys('')) expect(backend).toBeDefined();
  },
};

function open(adapter: Adapter5, wrap: Wrap = (store) => store, maxPending = 100): KeyvBackend {
  return new KeyvBackend({ store: wrap(adapter), timeout: TIMEOUT, maxPending });
}

const failure = (work: () => unknown, within = TIMEOUT): Promise<StockpileError> => failureInTime(work, within);
const recovered = (backend: KeyvBackend): Promise<void> => recovery(() => backend.get('a'), TIMEOUT);

describe.each(STORES)('%s', (_name, make, wrap) => {
  test.each<[Trouble, string]>([
    ['hang', 'ERR_STOCKPILE_BACKEND_TIMEOUT'],
    ['reject', 'ERR_STOCKPILE_BACKEND_UNAVAILABLE'],
    ['throw', 'ERR_STOCKPILE_BACKEND_UNAVAILABLE'],
    ['emit', 'ERR_STOCKPILE_BACKEND_UNAVAILABLE'],
  ])('that makes trouble (%s): each operation fails in time, with %s', async (trouble, code) => {
    const outcomes = Object.entries(OPERATIONS).map(async ([name, operation]) => {
      const adapter = make();
      const backend = open(adapter, wrap);
      await backend.setMulti(items, FOREVER);
      adapter.trouble = trouble;
      const error = await failure(() => operation(backend));
      expect([name, error.code]).toEqual([name, code]);
      if (trouble !== 'hang') expect(String(error.cause)).toMatch(/the store/);
      if (name.endsWith('Multi')) expect([...new Set(error.keys)].sort()).toEqual(['a', 'b']);
    });
    await Promise.all(outcomes);
  });

  test('that answers false has not stored', async () => {
    const adapter = make();
    const backend = open(adapter, wrap);
    adapter.trouble = 'answerFalse';
    for (const operation of [OPERATIONS.set, OPERATIONS.setMulti]) {
      const error = await failure(() => operation?.(backend));
      expect(error.code).toBe('ERR_STOCKPILE_BACKEND_UNAVAILABLE');
    }
    expect(await backend.get('a')).toBe(NO_VALUE);
    expect(await backend.delete('a')).toBe(false);
  });

  test.each<Trouble>(['hang', 'reject', 'emit'])(
    'that recovers (from: %s) is used again within 2 s',
    async (trouble) => {
      const adapter = make();
      const backend = open(adapter, wrap);
      await backend.set('a', bytes, FOREVER);
      adapter.trouble = trouble;
      await failure(() => backend.get('a'));
      await failure(() => backend.get('a'));
      await failure(() => backend.get('a'));
      adapter.trouble = 'none';
      await recovered(backend);
      expect(backend.servers()).toMatchObject([{ state: 'up' }]);
      expect(await backend.get('a')).toEqual(bytes);
    },
  );
});

test('a store that is down is spared: calls fail at once, and the state says so', async () => {
  const adapter = new Adapter5();
  const backend = open(adapter);
  adapter.trouble = 'hang';
  await failure(() => backend.get('a'));
  expect(backend.servers()).toMatchObject([{ server: 'Adapter5', state: 'down' }]);
  const asked = adapter.asked.length;
  expect(await failure(() => backend.get('a'), 0)).toBeInstanceOf(BackendUnavailableError);
  expect(adapter.asked.length).toBe(asked);
});

test('a store that dislikes one value is not taken for one that is down', async () => {
  class Fussy extends Adapter5 {
    override set(key: string, value: unknown): unknown {
      return key.endsWith('bad') ? Promise.reject(new Error('too long')) : super.set(key, value);
    }
  }
  const backend = open(new Fussy());
  await failure(() => backend.set('bad', bytes, FOREVER));
  for (let i = 0; i < 20; i++) expect(await backend.set(`good ${i}`, bytes, FOREVER)).toBe(true);
  expect(backend.servers()).toMatchObject([{ state: 'up' }]);
});

test('an error belongs to the call during which it was emitted, also among others', async () => {
  class Swallowing extends Adapter5 {
    override async get(key: string): Promise<unknown> {
      const entry = await super.get(key);
      if (key.endsWith('bad')) this.emit('error', new Error(`swallowed: ${key}`));
      return key.endsWith('bad') ? undefined : entry;
    }
  }
  const backend = open(new Swallowing(), (store) => new Keyv({ store }));
  const keys = ['a', 'bad', 'b', 'bad', 'c'];
  const outcomes = await Promise.allSettled(keys.map((key) => backend.get(key)));
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
});

test('what a store emits while nothing is asked of it is reported, and ends nothing', async () => {
  const adapter = new Adapter5();
  const report = jest.fn();
  const backend = new KeyvBackend({ store: new Keyv6({ store: adapter }), report });
  await backend.get('a'); // a later error may come from a socket that was opened during this call
  const lost = new Error('connection lost');
  adapter.emit('error', lost);
  expect(report.mock.calls).toEqual([['store', lost]]);
});

test('calls that hang do not pile up beyond maxPending; when the store is back, they count no more', async () => {
  const adapter = new Adapter5();
  const backend = open(adapter, undefined, 5);
  adapter.trouble = 'hang';
  const calls = Array.from({ length: 20 }, () => failure(() => backend.get('a')));
  const codes = (await Promise.all(calls)).map(({ code }) => code);
  expect(codes.filter((code) => code === 'ERR_STOCKPILE_BACKEND_TIMEOUT').length).toBe(5);
  expect(codes.filter((code) => code === 'ERR_STOCKPILE_BACKEND_UNAVAILABLE').length).toBe(15);
  expect(adapter.asked.length).toBe(5);
  adapter.trouble = 'none';
  await recovered(backend); // though the five are never settled
  await Promise.all(Array.from({ length: 5 }, () => backend.get('a')));
});

test('a clear that takes too long ends in time, and goes no further', async () => {
  class Slow extends Adapter5 {
    override async *iterator(): AsyncGenerator<[string, unknown], void, undefined> {
      for (const entry of [...this.entries]) {
        await new Promise((resolve) => setTimeout(resolve, TIMEOUT / 10));
        yield entry;
      }
    }
  }
  const adapter = new Slow();
  const backend = open(adapter);
  for (let i = 0; i < 50; i++) await backend.set(`key ${i}`, bytes, FOREVER);
  expect((await failure(() => backend.clear('key'))).code).toBe('ERR_STOCKPILE_BACKEND_TIMEOUT');
  await new Promise((resolve) => setTimeout(resolve, TIMEOUT));
  expect(adapter.asked).not.toContain('delete');
});

test('close lets calls end in time, refuses what comes, and leaves the store alone', async () => {
  const adapter = new Adapter5();
  const keyv = new Keyv({ store: adapter });
  const backend = new KeyvBackend({ store: keyv, timeout: TIMEOUT });
  const other = new KeyvBackend({ store: keyv, timeout: TIMEOUT });
  expect(keyv.listeners('error').length).toBe(1);
  adapter.trouble = 'hang';
  const pending = backend.get('a');
  const late = failure(() => pending);
  await settledInTime(() => Promise.all([backend.close(), backend.close()]), TIMEOUT);
  expect((await late).code).toBe('ERR_STOCKPILE_BACKEND_TIMEOUT');
  for (const operation of Object.values(OPERATIONS)) {
    expect(await failure(() => operation(backend))).toBeInstanceOf(BackendUnavailableError);
  }
  expect(keyv.listeners('error').length).toBe(1);
  await other.close();
  expect(keyv.listeners('error').length).toBe(0);
  expect(adapter.disconnected).toBe(0);
});

test('a region over a store that is down serves from creators, and tells of the outage', async () => {
  const adapter = new ManyAdapter5();
  const region = createRegion<string>({ name: 'r' }).configure('keyv', {
    timeout: TIMEOUT,
    arguments: { store: new Keyv({ store: adapter }) },
  });
  adapter.trouble = 'hang';
  expect(await settledInTime(() => region.getOrCreate('key', () => 'created'), 3 * TIMEOUT)).toBe('created');
  const many = region.getOrCreateMulti(['a', 'b'], (keys) => keys.map((key) => `of ${key}`));
  expect(await settledInTime(() => many, 3 * TIMEOUT)).toEqual(['of a', 'of b']);
  await expect(region.delete('key')).rejects.toBeInstanceOf(StockpileError);
  expect(region.stats().servers).toMatchObject([{ server: 'ManyAdapter5', state: 'down' }]);
  expect(region.stats().errors).toBeGreaterThan(0);
});
