/** 86: close. */

import { describe, expect, jest, test } from '@jest/globals';
import { type Region, registerBackend } from '@stockpile/core';
import { AsyncBackend, Storage } from './helpers/async-backend.js';
import { FaultyBackend } from './helpers/faulty-backend.js';
import { KINDS, regionOn, setUp } from './helpers/setups.js';
import { failureOf, Gate, isPending, settle, TestClock } from './helpers/time.js';

const CLOSED = { code: 'ERR_STOCKPILE_REGION_CLOSED', region: 'r' };

/** Every method that answers with a promise. */
const METHODS: Record<string, (region: Region<unknown>) => Promise<unknown>> = {
  get: (region) => region.get('a'),
  getEntry: (region) => region.getEntry('a'),
  getMulti: (region) => region.getMulti(['a']),
  set: (region) => region.set('a', 1),
  setMulti: (region) => region.setMulti({ a: 1 }),
  delete: (region) => region.delete('a'),
  deleteMulti: (region) => region.deleteMulti(['a']),
  getOrCreate: (region) => region.getOrCreate('a', () => 1),
  getOrCreateMulti: (region) => region.getOrCreateMulti(['a'], () => [1]),
  refresh: (region) => region.refresh('a', () => 1),
  invalidate: (region) => region.invalidate(),
  keyIsLocked: (region) => region.keyIsLocked('a'),
  increment: (region) => region.increment('a'),
  decrement: (region) => region.decrement('a'),
  clear: (region) => region.clear(),
  size: (region) => region.size(),
  waitFor: (region) => region.waitFor('a'),
  keys: (region) => region.keys().next(),
  entries: (region) => region.entries().next(),
};

describe.each(KINDS)('over $kind', (kind) => {
  test.each(Object.keys(METHODS))('86: %s after close is refused', async (method) => {
    const { region } = setUp(kind);
    await region.close();
    const use = async (): Promise<unknown> => (METHODS[method] as (typeof METHODS)[string])(region);
    expect(await failureOf(use())).toMatchObject(CLOSED);
  });

  test('86: what answers without a promise, and configure, are refused too', async () => {
    const { backend, region } = setUp(kind);
    const sync = region.supports('sync') ? region.sync : undefined;
    const cached = region.cacheFunction(async () => 1, { name: 'f' });
    await region.close();
    for (const use of [
      () => region.subscribe('a', () => {}),
      () => region.supports('sync'),
      () => region.backend,
      () => region.sync.get('a'),
      () => region.configure(backend, { replaceExistingBackend: true }),
      ...(sync ? [() => sync.get('a'), () => sync.getOrCreate('a', () => 1)] : []),
    ]) {
      expect(use).toThrow(expect.objectContaining(CLOSED));
    }
    expect(await failureOf(cached())).toMatchObject(CLOSED);
  });

  test('86: close settles what runs', async () => {
    const { region } = setUp(kind, { expirationTime: 1000 });
    const gates = [1, 2, 3].map(() => new Gate<string>());
    const running = [
      region.getOrCreate('a', () => gates[0]?.promise),
      region.getOrCreateMulti(['b'], async () => [await gates[1]?.promise]),
      region.refresh('c', () => gates[2]?.promise),
    ];
    await settle();
    const closing = region.close();
    for (const gate of gates) {
      expect(await isPending(closing)).toBe(true);
      gate.open('value');
    }
    expect(await Promise.all(running)).toEqual(['value', ['value'], 'value']);
    await closing;
  });

  test('86: close settles background work and a creator that fails', async () => {
    const { clock, region } = setUp(kind, { expirationTime: 1000, background: true });
    await region.set('a', 'old');
    clock.advance(1000);
    const gate = new Gate();
    expect(await region.getOrCreate('a', () => gate.promise)).toBe('old');
    const closing = region.close();
    expect(await isPending(closing)).toBe(true);
    gate.fail(new Error('no database'));
    await closing;
    expect(region.stats().errors).toBe(1);
  });

  test('86: close settles also the creations that were overtaken', async () => {
    const { region } = setUp(kind);
    const gates = [new Gate<string>(), new Gate<string>()] as const;
    const old = region.getOrCreate('a', () => gates[0].promise);
    await settle();
    await region.delete('a');
    const newer = region.getOrCreate('a', () => gates[1].promise);
    await settle();
    gates[1].open('newer');
    expect(await newer).toBe('newer');
    const closing = region.close();
    expect(await isPending(closing)).toBe(true);
    gates[0].open('old');
    expect(await old).toBe('old');
    await closing;
  });

  test('86: close is idempotent, and what await using calls', async () => {
    const { region } = setUp(kind);
    await Promise.all([region.close(), region.close()]);
    await region[Symbol.asyncDispose]();
    const another = setUp(kind).region;
    await another[Symbol.asyncDispose]();
    expect(await failureOf(another.get('a'))).toMatchObject(CLOSED);
  });
});

describe('the backend', () => {
  test('86: one that configure made from a name is closed, after what runs has settled, once', async () => {
    const backend = new AsyncBackend(new Storage(new TestClock()));
    registerBackend('closing', () => backend);
    const region = regionOn(backend, new TestClock());
    region.configure('closing', { replaceExistingBackend: true });
    const gate = new Gate<string>();
    const call = region.getOrCreate('a', () => gate.promise);
    await settle();
    const closing = region.close();
    await settle();
    expect(backend.closed).toBe(0);
    gate.open('value');
    await Promise.all([closing, region.close()]);
    expect(await call).toBe('value');
    expect(backend.closed).toBe(1);
    expect(backend.calls.at(-1)).toBe('close ');
  });

  test('86: one that the application handed in is left open', async () => {
    const backend = new AsyncBackend(new Storage(new TestClock()));
    const region = regionOn(backend, new TestClock());
    await region.close();
    expect(backend.closed).toBe(0);
  });

  test('86: a call whose first read is under way when close is called gets its value', async () => {
    const backend = new AsyncBackend(new Storage(new TestClock()));
    const region = regionOn(backend, new TestClock());
    const read = backend.hold('get');
    const creator = jest.fn(() => 'created');
    const call = region.getOrCreate('a', creator);
    const closing = region.close();
    await settle();
    read.release();
    expect(await call).toBe('created');
    await closing;
  });

  test('86: one that does not answer to close ends it with a typed error', async () => {
    const backend = new FaultyBackend(new Storage(new TestClock()));
    registerBackend('stuck', () => backend);
    const region = regionOn(backend, new TestClock());
    region.configure('stuck', { replaceExistingBackend: true, timeout: 20 });
    backend.fail('silent', ['close']);
    expect(await failureOf(region.close())).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_TIMEOUT' });
    expect(await failureOf(region.get('a'))).toMatchObject(CLOSED);
  });

  test('86: a region without a backend can be closed', async () => {
    const { region } = setUp(KINDS[0] as (typeof KINDS)[number]);
    await region.close();
    expect(region.isConfigured).toBe(true);
  });
});
