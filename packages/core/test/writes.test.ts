/** set, setMulti, delete, deleteMulti and the counters. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  BytesBackend,
  CacheBackend,
  type Capability,
  createRegion,
  NO_VALUE,
  type NoValue,
  ValueTooLargeError,
} from '@stockpile/core';
import { FACES, failureOf, recorded, regionOn, VARIANTS } from './fixtures.js';

const VALIDATION = 'ERR_STOCKPILE_VALIDATION';

/** Names in its errors the key that it was given. */
class Refusing extends CacheBackend {
  readonly name = 'refusing';
  readonly capabilities: ReadonlySet<Capability> = new Set<Capability>(['sync']);

  override get(key: string): never {
    throw new ValueTooLargeError('too large', { key });
  }

  override set(key: string): never {
    return this.get(key);
  }

  override delete(key: string): never {
    return this.get(key);
  }
}

describe.each(VARIANTS)('%s over %s', (_face, backend, of) => {
  test('21: set stamps createdAt, and replaces value, date, tags and expiry', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1m' });
    const operations = of(region);
    await operations.set('k', 1, { expirationTime: '5m', tags: ['t'] });
    clock.time += 10;
    await operations.set('k', 2);
    expect(await operations.getEntry('k')).toMatchObject({
      value: 2,
      createdAt: clock.time,
      expirationTime: 60_000,
      tags: [],
    });
  });

  test('21: NO_VALUE cannot be set, the old value stays', async () => {
    const operations = of(regionOn(backend).region);
    await operations.set('k', 'old');
    expect((await failureOf(() => operations.set('k', NO_VALUE))).code).toBe(VALIDATION);
    expect((await failureOf(() => operations.setMulti({ a: 1, k: NO_VALUE }))).code).toBe(VALIDATION);
    expect(await operations.getMulti(['k', 'a'])).toEqual(['old', NO_VALUE]);
  });

  test('22: setMulti takes a Map, pairs, a generator of pairs and an object; all share one createdAt', async () => {
    const { region, clock } = regionOn(backend);
    const operations = of(region);
    const start = clock.time;
    let reads = 0;
    clock.now = () => start + reads++;
    function* generate(): Generator<readonly [string, unknown]> {
      yield ['g', 1];
      yield ['h', 2];
    }
    const items = [
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      [
        ['c', 1],
        ['d', 2],
      ] as const,
      { e: 1, f: 2 },
      generate(),
    ];
    for (const some of items) await operations.setMulti(some);
    expect(await operations.getMulti([...'abcdefgh'])).toEqual([1, 2, 1, 2, 1, 2, 1, 2]);
    const dates: number[] = [];
    for (const key of 'abcdefgh') {
      const entry = await operations.getEntry(key);
      if (entry !== NO_VALUE) dates.push(entry.createdAt);
    }
    expect(dates).toHaveLength(8);
    expect(new Set(dates).size).toBe(4);
  });

  test('22: setMulti with expirationTime and tags stores them with every entry', async () => {
    const operations = of(regionOn(backend).region);
    await operations.setMulti({ a: 1, b: 2 }, { expirationTime: '5s', tags: ['t'] });
    for (const key of ['a', 'b']) {
      expect(await operations.getEntry(key)).toMatchObject({ expirationTime: 5000, tags: ['t'] });
    }
    await operations.invalidate({ tags: ['t'] });
    expect(await operations.getMulti(['a', 'b'])).toEqual([NO_VALUE, NO_VALUE]);
  });

  test('23: delete tells whether it was there, and is idempotent', async () => {
    const operations = of(regionOn(backend).region);
    await operations.set('k', undefined);
    expect(await operations.delete('k')).toBe(true);
    expect(await operations.delete('k')).toBe(false);
    expect(await operations.get('k')).toBe(NO_VALUE);
  });

  test('23: deleteMulti counts what was there, unknown and repeated keys are fine', async () => {
    const operations = of(regionOn(backend).region);
    await operations.setMulti({ a: 1, b: 2, c: 3 });
    expect(await operations.deleteMulti(['a', 'x', 'b', 'a'])).toBe(2);
    expect(await operations.deleteMulti(new Set(['a', 'b']))).toBe(0);
    expect(await operations.getMulti(['a', 'b', 'c'])).toEqual([NO_VALUE, NO_VALUE, 3]);
  });

  test('25: increment of an absent key gives initial + by, of a number the sum', async () => {
    const operations = of(regionOn(backend).region);
    expect(await operations.increment('a')).toBe(1);
    expect(await operations.increment('a')).toBe(2);
    expect(await operations.increment('a', 40.5)).toBe(42.5);
    expect(await operations.decrement('a')).toBe(41.5);
    expect(await operations.decrement('a', 50)).toBe(-8.5);
    expect(await operations.increment('b', 5, { initial: 100 })).toBe(105);
    expect(await operations.increment('b', 5, { initial: 100 })).toBe(110);
    expect(await operations.decrement('c', 2, { initial: 10 })).toBe(8);
    expect(await operations.getMulti(['a', 'b', 'c'])).toEqual([-8.5, 110, 8]);
  });

  test('25: increment of what is no number is refused, the value stays', async () => {
    const operations = of(regionOn(backend).region);
    for (const value of ['5', null, undefined, { n: 5 }, 5n]) {
      await operations.set('k', value);
      const error = await failureOf(() => operations.increment('k'));
      expect(error).toMatchObject({ code: VALIDATION, key: 'k' });
      expect(error.message).toMatch(/a value of type \w+, which is no number/);
      expect(error.message).not.toContain('5'); // the value is not for logs
      expect(await operations.get('k')).toEqual(value);
    }
  });

  test.each([[Number.NaN], [Infinity], ['1'], [null], [1n]])('25: increment by %p is refused', async (by) => {
    const { region } = regionOn(backend);
    const operations = of(region);
    await operations.set('k', 1);
    expect((await failureOf(() => operations.increment('k', by as number))).code).toBe(VALIDATION);
    expect((await failureOf(() => operations.increment('k', 1, { initial: by as number }))).code).toBe(VALIDATION);
    expect(await operations.get('k')).toBe(1);
  });

  test('25: an existing counter keeps its expiry and tags', async () => {
    const { region, clock } = regionOn(backend, { expirationTime: '1h' });
    const operations = of(region);
    await operations.increment('k', 1, { expirationTime: '10s', tags: ['t'] });
    const { createdAt } = (await operations.getEntry('k')) as { createdAt: number };
    clock.time += 9_999;
    expect(await operations.increment('k', 1, { expirationTime: '1h' })).toBe(2);
    expect(await operations.getEntry('k')).toMatchObject({ createdAt, expirationTime: 10_000, tags: ['t'] });
    clock.time += 1;
    expect(await operations.increment('k')).toBe(1);
  });

  test('25: a counter that was invalidated begins anew', async () => {
    const operations = of(regionOn(backend).region);
    for (const hard of [true, false]) {
      await operations.increment('k', 5);
      await operations.invalidate({ hard });
      expect(await operations.increment('k', 1, { initial: 10 })).toBe(11);
      await operations.delete('k');
    }
  });
});

describe.each(FACES)('%s and its backend', (_face, of) => {
  test('21: set takes no lock and asks no shouldCache', async () => {
    const { backend, calls } = recorded();
    const shouldCache = jest.fn(() => false);
    const { region } = regionOn(backend, { shouldCache });
    await of(region).set('k', 1);
    await of(region).setMulti({ a: 1 });
    expect(await of(region).getMulti(['k', 'a'])).toEqual([1, 1]);
    expect(shouldCache).not.toHaveBeenCalled();
    expect(calls.map(({ method }) => method)).toEqual(['set', 'setMulti', 'getMulti']);
  });

  test('22: setMulti of none makes no call, of many one', async () => {
    const { backend, calls } = recorded();
    const operations = of(regionOn(backend).region);
    for (const none of [{}, [], new Map<string, unknown>()]) await operations.setMulti(none);
    expect(calls).toEqual([]);
    await operations.setMulti({ a: 1, b: 2 });
    expect(calls.map(({ method }) => method)).toEqual(['setMulti']);
  });

  test('22: the mapping of the caller is not changed, nor kept', async () => {
    const operations = of(regionOn('memory').region);
    const given = new Map([['a', 1]]);
    await operations.setMulti(given);
    expect([...given]).toEqual([['a', 1]]);
    given.set('a', 2);
    expect(await operations.get('a')).toBe(1);
    const frozen = Object.freeze({ a: 3 });
    await operations.setMulti(frozen);
    expect(await operations.get('a')).toBe(3);
  });

  test.each([[undefined], [null], [5], ['ab'], [['ab']], [[1]], [[null]]])(
    '22: %j is nothing that setMulti takes',
    async (items) => {
      const { backend, calls } = recorded();
      const operations = of(regionOn(backend).region);
      const error = await failureOf(() => operations.setMulti(items as unknown as Record<string, unknown>));
      expect(error.code).toBe(VALIDATION);
      expect(calls).toEqual([]);
    },
  );

  test('23: deleteMulti of none makes no call, of many one', async () => {
    const { backend, calls } = recorded();
    const operations = of(regionOn(backend).region);
    expect(await operations.deleteMulti([])).toBe(0);
    expect(calls).toEqual([]);
    await operations.deleteMulti(['a', 'b', 'a']);
    expect(calls).toEqual([{ method: 'deleteMulti', args: [['test:a', 'test:b']] }]);
  });

  test('91: every write hands ttl = expirationTime + grace to the backend', async () => {
    const ttlsOf = async (options: object, given?: object): Promise<unknown[]> => {
      const { backend, calls } = recorded();
      const operations = of(regionOn(backend, options).region);
      await operations.set('k', 1, given);
      await operations.setMulti({ a: 1, b: 1 }, given);
      await operations.getOrCreate('c', () => 1, given);
      await operations.getOrCreateMulti(['d', 'e'], () => [1, 2], given);
      return calls
        .filter(({ method }) => method === 'set' || method === 'setMulti')
        .map(({ args }) => (args.at(-1) as { ttl: number }).ttl);
    };
    const all = async (options: object, given?: object): Promise<unknown> => {
      const ttls = await ttlsOf(options, given);
      expect(ttls.length).toBeGreaterThanOrEqual(4);
      expect(new Set(ttls).size).toBe(1);
      return ttls[0];
    };
    expect(await all({})).toBe(Infinity);
    expect(await all({ expirationTime: '1s' })).toBe(2000);
    expect(await all({ expirationTime: '1s', grace: 0 })).toBe(1000);
    expect(await all({ expirationTime: '1s', grace: '1m' })).toBe(61_000);
    expect(await all({ expirationTime: 0.5, grace: 0 })).toBe(0.5);
    expect(await all({ expirationTime: '60d', grace: 0 })).toBe(5_184_000_000);
    expect(await all({ expirationTime: '1s', grace: Infinity })).toBe(Infinity);
    expect(await all({ expirationTime: '1s', grace: '1m' }, { expirationTime: '5s' })).toBe(65_000);
    expect(await all({ expirationTime: '1s' }, { expirationTime: '5s' })).toBe(10_000);
    expect(await all({ expirationTime: '1s' }, { expirationTime: Infinity })).toBe(Infinity);
  });

  test('91: what has no lifetime at all is not stored, and ends the old entry', async () => {
    const { region } = regionOn('memory', { expirationTime: '1h' });
    const operations = of(region);
    await operations.setMulti({ k: 1, a: 1 });
    await operations.set('k', 2, { expirationTime: 0 });
    await operations.setMulti({ a: 2 }, { expirationTime: 0 });
    expect(await operations.getMulti(['k', 'a'], { ignoreExpiration: true })).toEqual([NO_VALUE, NO_VALUE]);
  });
});

test('25: 1000 parallel increments add exactly 1000', async () => {
  for (const backend of ['memory', 'memory-pickle', 'lru']) {
    const { region } = regionOn(backend);
    const sums = await Promise.all(Array.from({ length: 1000 }, () => region.increment('k')));
    expect(new Set(sums).size).toBe(1000);
    expect(await region.get('k')).toBe(1000);
  }
});

test('25: a bytes backend that can compare and set counts exactly, in spite of its delays', async () => {
  const bytes = new MemoryPickleBackend();
  /** Between each read and its write, others write. */
  class Delayed extends BytesBackend {
    readonly name = 'delayed';
    readonly capabilities: ReadonlySet<Capability> = new Set<Capability>(['compareAndSet']);
    override async get(key: string): Promise<Uint8Array | NoValue> {
      return bytes.get(key);
    }
    override async set(...args: Parameters<MemoryPickleBackend['set']>): Promise<boolean> {
      return bytes.set(...args);
    }
    override async delete(key: string): Promise<boolean> {
      return bytes.delete(key);
    }
    override async compareAndSet(...args: Parameters<MemoryPickleBackend['compareAndSet']>): Promise<boolean> {
      return bytes.compareAndSet(...args);
    }
  }
  const region = createRegion().configure(new Delayed());
  expect(region.supports('counters')).toBe(true);
  await Promise.all(Array.from({ length: 50 }, () => region.increment('k')));
  expect(await region.get('k')).toBe(50);
});

describe('a value that cannot be stored', () => {
  const bad = { f: () => 1 };

  test.each(FACES)('24: %s: SerializationError names the key, and the old value stays', async (_face, of) => {
    const operations = of(regionOn('memory-pickle').region);
    await operations.set('k', 'old');
    const error = await failureOf(() => operations.set('k', bad));
    expect(error).toMatchObject({ code: 'ERR_STOCKPILE_SERIALIZATION', key: 'k', region: 'test' });
    expect(error.message).toContain('k');
    expect(await operations.get('k')).toBe('old');
  });

  test.each(FACES)('24: %s: ValueTooLargeError, and the old value stays', async (_face, of) => {
    const operations = of(regionOn('lru', { arguments: { maxBytes: 1000 } }).region);
    await operations.set('k', 'old');
    const error = await failureOf(() => operations.set('k', 'x'.repeat(2000)));
    expect(error).toMatchObject({ code: 'ERR_STOCKPILE_VALUE_TOO_LARGE', key: 'k', region: 'test' });
    expect(await operations.get('k')).toBe('old');
  });

  test.each(FACES)(
    '24: %s: a driver knows the stored key only: errors name that of the application',
    async (_face, of) => {
      const operations = of(regionOn(new Refusing()).region);
      for (const call of [() => operations.get('k'), () => operations.set('k', 1), () => operations.delete('k')]) {
        expect(await failureOf(call)).toMatchObject({ key: 'k', keys: undefined });
      }
      const all = [
        () => operations.getMulti(['k', 'l']),
        () => operations.setMulti({ k: 1, l: 2 }),
        () => operations.deleteMulti(['k', 'l']),
      ];
      for (const call of all) expect(await failureOf(call)).toMatchObject({ key: 'k', keys: ['k', 'l'] });
    },
  );

  test.each(FACES)('24: %s: in setMulti the others are stored and error.keys lists the rest', async (_face, of) => {
    const pickled = of(regionOn('memory-pickle').region);
    const unserialisable = await failureOf(() => pickled.setMulti({ a: 1, bad, b: 2, worse: bad }));
    expect(unserialisable).toMatchObject({ code: 'ERR_STOCKPILE_SERIALIZATION', keys: ['bad', 'worse'] });
    expect(await pickled.getMulti(['a', 'b', 'bad'])).toEqual([1, 2, NO_VALUE]);
    const bounded = of(regionOn('lru', { arguments: { maxBytes: 1000 } }).region);
    const tooLarge = await failureOf(() => bounded.setMulti({ a: 1, big: 'x'.repeat(2000), b: 2 }));
    expect(tooLarge).toMatchObject({ code: 'ERR_STOCKPILE_VALUE_TOO_LARGE', keys: ['big'] });
    expect(await bounded.getMulti(['a', 'b', 'big'])).toEqual([1, 2, NO_VALUE]);
  });
});
