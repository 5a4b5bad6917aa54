/** What the region makes of a backend that fails. */

import { describe, expect, jest, test } from '@jest/globals';
import {
  BackendUnavailableError,
  BytesBackend,
  type CacheMutex,
  type Capability,
  type ConfigureOptions,
  createRegion,
  NO_VALUE,
  type NoValue,
  type Region,
  StockpileError,
  sharedInvalidator,
} from '@stockpile/core';
import { type Operation, Storage } from './helpers/async-backend.js';
import { type Fault, FaultyBackend } from './helpers/faulty-backend.js';
import { regionOn, reported } from './helpers/setups.js';
import { failureOf, Gate, isPending, settle, TestClock } from './helpers/time.js';

const TIMEOUT = 30;
const foreign = new Error('ECONNRESET');

function setUp(options: ConfigureOptions = {}, locks = true) {
  const clock = new TestClock();
  const backend = new FaultyBackend(new Storage(clock), { locks });
  return { clock, backend, region: regionOn(backend, clock, { timeout: TIMEOUT, lockTimeout: 10, ...options }) };
}

const DOWN: Record<string, { fault: Fault; code: string; cause?: unknown }> = {
  'refuses connections': { fault: 'refuse', code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' },
  'never answers': { fault: 'silent', code: 'ERR_STOCKPILE_BACKEND_TIMEOUT' },
  'throws errors of its own': { fault: foreign, code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', cause: foreign },
};

const ASKED: Record<string, (region: Region<unknown>) => Promise<unknown>> = {
  get: (region) => region.get('a'),
  getEntry: (region) => region.getEntry('a'),
  getMulti: (region) => region.getMulti(['a', 'b']),
  set: (region) => region.set('a', 1),
  setMulti: (region) => region.setMulti({ a: 1 }),
  delete: (region) => region.delete('a'),
  deleteMulti: (region) => region.deleteMulti(['a']),
  clear: (region) => region.clear(),
};

const CREATING: Record<string, (region: Region<unknown>, creator: () => unknown) => Promise<unknown>> = {
  getOrCreate: (region, creator) => region.getOrCreate('a', creator),
  getOrCreateMulti: async (region, creator) =>
    (await region.getOrCreateMulti(['a', 'b'], async () => [await creator(), 2]))[0],
};

describe.each(Object.keys(DOWN))('a backend that %s', (what) => {
  const { fault, code, cause } = DOWN[what] as (typeof DOWN)[string];

  test.each(Object.keys(ASKED))('82: rejects %s with a typed error within the timeout', async (method) => {
    for (const failOpen of [true, false]) {
      const { backend, region } = setUp({ failOpen });
      backend.fail(fault);
      const failure = await failureOf((ASKED[method] as (typeof ASKED)[string])(region));
      expect(failure).toMatchObject({ code, region: 'r', ...(cause !== undefined && { cause }) });
      expect(region.stats().errors).toBe(1);
    }
  });

  test.each(Object.keys(CREATING))('83: leaves %s to its creator, and is reported', async (way) => {
    const { backend, region } = setUp();
    backend.fail(fault);
    const creator = jest.fn(async () => 'created');
    const messages = await reported(async () => {
      expect(await (CREATING[way] as (typeof CREATING)[string])(region, creator)).toBe('created');
    });
    expect(creator).toHaveBeenCalledTimes(1);
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(message).toMatchObject({ region: 'r', error: { code } });
    expect(region.stats().errors).toBe(messages.length);
  });

  test('83: still lets the callers of one process share one creation', async () => {
    const { backend, region } = setUp({ lockTimeout: 1000 });
    backend.fail(fault);
    const gate = new Gate<string>();
    const begun = new Gate();
    const creator = jest.fn(() => {
      begun.open();
      return gate.promise;
    });
    const calls = Array.from({ length: 50 }, () => region.getOrCreate('a', creator));
    await begun.promise;
    while (region.stats().waits < 49) await settle(); // not all reads are given up in one turn
    gate.open('created');
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['created']));
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test.each(Object.keys(CREATING))('83: rejects %s with failOpen: false, without a creator call', async (way) => {
    const { backend, region } = setUp({ failOpen: false });
    backend.fail(fault);
    const creator = jest.fn(() => 'created');
    expect(await failureOf((CREATING[way] as (typeof CREATING)[string])(region, creator))).toMatchObject({ code });
    expect(creator).not.toHaveBeenCalled();
  });

  test.each(Object.keys(CREATING))('83: on locks alone leaves %s to its creator, and stores nothing', async (way) => {
    const { backend, region } = setUp();
    backend.fail(fault, ['lock']);
    expect(await (CREATING[way] as (typeof CREATING)[string])(region, () => 'created')).toBe('created');
    expect(await region.get('a')).toBe(NO_VALUE);
    backend.heal();
    expect(await (CREATING[way] as (typeof CREATING)[string])(region, () => 'again')).toBe('again');
    expect(await region.get('a')).toBe('again');
  });

  test.each(Object.keys(CREATING))('83: on locks alone rejects %s with failOpen: false', async (way) => {
    const { backend, region } = setUp({ failOpen: false });
    backend.fail(fault, ['lock']);
    const creator = jest.fn(() => 'created');
    expect(await failureOf((CREATING[way] as (typeof CREATING)[string])(region, creator))).toMatchObject({ code });
    expect(creator).not.toHaveBeenCalled();
    backend.heal();
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test.each(Object.keys(CREATING))('42: on writes alone keeps the created value of %s from nobody', async (way) => {
    const { backend, region } = setUp();
    backend.fail(fault, ['set', 'setMulti']);
    expect(await (CREATING[way] as (typeof CREATING)[string])(region, () => 'created')).toBe('created');
    expect(region.stats().errors).toBe(1);
    backend.heal();
    expect(await region.keyIsLocked('a')).toBe(false);
    expect(await region.get('a')).toBe(NO_VALUE);
  });

  test('84: works again by itself', async () => {
    const { backend, region } = setUp();
    backend.fail(fault);
    await failureOf(region.get('a'));
    await region.getOrCreate('a', () => 'down');
    backend.heal();
    expect(await region.get('a')).toBe(NO_VALUE);
    expect(await region.getOrCreate('a', () => 'up')).toBe('up');
    expect(await region.get('a')).toBe('up');
  });

  test.each([true, false])('84: makes invalidate of shared times reject (failOpen: %s)', async (failOpen) => {
    const { backend, region } = setUp({ failOpen, regionInvalidator: sharedInvalidator() });
    backend.fail(fault);
    expect(await failureOf(region.invalidate())).toMatchObject({ code });
  });

  test.each(['get', 'set'] as const)(
    '84: makes invalidate of shared times reject also on %s alone',
    async (operation) => {
      const { backend, region } = setUp({ regionInvalidator: sharedInvalidator() });
      backend.fail(fault, [operation]);
      expect(await failureOf(region.invalidate())).toMatchObject({ code });
    },
  );

  test.each([['red'], [undefined]])(
    '42: on shared times before the store: the value is returned (tag: %s)',
    async (tag) => {
      const { backend, region } = setUp({ regionInvalidator: sharedInvalidator({ pollInterval: 0 }) });
      const creator = (): string => {
        backend.fail(fault, ['get']);
        return 'created';
      };
      expect(await region.getOrCreate('a', creator, tag ? { tags: [tag] } : {})).toBe('created');
      backend.heal();
      expect(await region.keyIsLocked('a')).toBe(false);
    },
  );
});

describe('83: more of a backend that fails', () => {
  test('83: a lock that is granted after its timeout is given back', async () => {
    const { backend, region } = setUp();
    const lock = backend.hold('lock');
    expect(await region.getOrCreate('a', () => 'created')).toBe('created');
    expect(await region.keyIsLocked('a')).toBe(true);
    lock.release();
    await settle();
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test('83: a second read that fails leaves the creation to the caller, who stores it', async () => {
    const { backend, region } = setUp();
    const first = backend.hold('get');
    const call = region.getOrCreate('a', () => 'created');
    await first.arrived;
    backend.fail('refuse', ['get']);
    first.release();
    expect(await call).toBe('created');
    backend.heal();
    expect(await region.get('a')).toBe('created');
  });

  test('83: an unlock that fails keeps the value from nobody', async () => {
    const { backend, region } = setUp();
    backend.fail('silent', ['unlock']);
    expect(await region.getOrCreate('a', () => 'created')).toBe('created');
    expect(await region.get('a')).toBe('created');
  });

  test("83: a creator's own error is not mistaken for one of the backend", async () => {
    const { backend, region } = setUp();
    backend.fail('refuse');
    const error = new Error('no database');
    expect(await failureOf(region.getOrCreate('a', () => Promise.reject(error)))).toBe(error);
  });

  test('82: a timeout of Infinity waits', async () => {
    const { backend, region } = setUp({ timeout: Infinity });
    const held = backend.hold('get');
    const call = region.get('a');
    expect(await isPending(call)).toBe(true);
    held.release();
    expect(await call).toBe(NO_VALUE);
  });

  test('85: a connection that is cut settles every pending call; the next call works', async () => {
    const { backend, region } = setUp({ timeout: '1m' });
    for (const operation of ['get', 'getMulti', 'set', 'delete'] as const) backend.hold(operation, undefined);
    const gate = new Gate<string>();
    const pending = [region.get('a'), region.getMulti(['a', 'b']), region.set('a', 1), region.delete('a')].map((call) =>
      failureOf(call),
    );
    await settle();
    backend.hold('get');
    const creating = region.getOrCreate('c', () => gate.promise);
    await settle();
    backend.cut(foreign);
    for (const failure of await Promise.all(pending)) {
      expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', cause: foreign });
    }
    gate.open('created');
    expect(await creating).toBe('created');
    await region.set('a', 2);
    expect(await region.get('a')).toBe(2);
  });

  test.each<[Operation, string]>([
    ['get', 'get'],
    ['set', 'set'],
    ['delete', 'delete'],
  ])('82: the error of %s names the operation, the key and the backend', async (operation, method) => {
    const { backend, region } = setUp();
    backend.fail(foreign, [operation]);
    const failure = await failureOf((ASKED[method] as (typeof ASKED)[string])(region));
    expect(failure).toMatchObject({ key: 'a', message: expect.stringMatching(`^${operation}: backend 'faulty'`) });
  });
});

/** As a driver declares one for what only it knows. */
class SegmentFullError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_SHM_FULL';
}

describe("a driver's own error", () => {
  const FORMS = { ...CREATING, refresh: (region, creator) => region.refresh('a', creator) } as typeof CREATING;
  const full = new SegmentFullError('segment full');
  const CASES = Object.keys(FORMS).flatMap((form) =>
    [['set', 'setMulti'] as const, ['lock'] as const].map((operations) => ({ form, operations })),
  );

  test.each(CASES)('42, 83: thrown by $operations does not cost $form its value', async ({ form, operations }) => {
    const { backend, region } = setUp();
    backend.fail(full, operations);
    expect(await FORMS[form]?.(region, () => 'created')).toBe('created');
    expect(region.stats().errors).toBeGreaterThan(0);
    backend.heal();
    expect(await FORMS[form]?.(region, () => 'created')).toBe('created');
    expect(await region.get('a')).toBe('created');
  });

  test.each(Object.keys(FORMS))('83: a getMutex that throws does not cost %s its value', async (form) => {
    const { backend, region } = setUp();
    const broken = jest.spyOn(backend, 'getMutex').mockImplementation((): CacheMutex => {
      throw foreign;
    });
    expect(await FORMS[form]?.(region, () => 'created')).toBe('created');
    expect(await failureOf(region.keyIsLocked('a'))).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
    broken.mockRestore();
    expect(await region.get('a')).toBe(NO_VALUE);
  });

  test.each(Object.keys(FORMS))('83: with failOpen: false %s is rejected with it', async (form) => {
    const { backend, region } = setUp({ failOpen: false });
    backend.fail(full, ['lock']);
    expect(await failureOf(FORMS[form]?.(region, () => 'created') as Promise<unknown>)).toBe(full);
  });
});

test.each(Object.keys(CREATING))('36: the stale value outlives a second read of %s that fails', async (form) => {
  const { clock, backend, region } = setUp({ expirationTime: 1000, serveStaleOnError: true });
  await region.setMulti({ a: 'old', b: 2 });
  clock.advance(1500);
  const read = backend.hold(form === 'getOrCreate' ? 'get' : 'getMulti');
  const call = CREATING[form]?.(region, () => Promise.reject(foreign));
  await read.arrived;
  backend.fail('refuse', ['get', 'getMulti']);
  read.release();
  expect(await call).toBe('old');
});

describe('setMulti over bytes', () => {
  class Down extends BytesBackend {
    readonly name = 'down';
    readonly capabilities: ReadonlySet<Capability> = new Set<Capability>();

    override get(): NoValue {
      return NO_VALUE;
    }
    override set(): boolean {
      return true;
    }
    override delete(): boolean {
      return false;
    }
    override setMulti(): never {
      throw new BackendUnavailableError('no route');
    }
  }

  test('24: the error of a failed write names all keys that it was to store', async () => {
    const failure = await failureOf(createRegion().configure(new Down()).setMulti({ a: 1, b: 2 }));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', keys: ['a', 'b'] });
  });

  test('24: beside one that cannot be serialised, the error names that key and the others', async () => {
    const failure = await failureOf(
      createRegion()
        .configure(new Down())
        .setMulti({ a: 1, b: () => {}, c: 3 }),
    );
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_SERIALIZATION', keys: ['b', 'a', 'c'] });
  });
});
