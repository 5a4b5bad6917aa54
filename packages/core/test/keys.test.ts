/** What may be a key, namespaces that never meet, and manglers. */

import { describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import {
  type CachedValue,
  createRegion,
  hashMangler,
  type KeyMangler,
  lengthMangler,
  MAX_KEY_BYTES,
  NO_VALUE,
  type Region,
  sharedInvalidator,
} from '@stockpile/core';
import fc from 'fast-check';
import { all, FACES, failureOf, type Operations, recorded, regionOn, TestClock, VARIANTS } from './fixtures.js';

const VALIDATION = 'ERR_STOCKPILE_VALIDATION';
const create = (): number => 1;

/** Every way to hand over a key, of both faces. */
const CALLS: readonly [string, (operations: Operations, key: string) => unknown][] = [
  ['get', (operations, key) => operations.get(key)],
  ['getEntry', (operations, key) => operations.getEntry(key)],
  ['getMulti', (operations, key) => operations.getMulti(['good', key])],
  ['set', (operations, key) => operations.set(key, 1)],
  ['setMulti', (operations, key) => operations.setMulti([['good', 1] as const, [key, 1] as const])],
  ['delete', (operations, key) => operations.delete(key)],
  ['deleteMulti', (operations, key) => operations.deleteMulti(['good', key])],
  ['getOrCreate', (operations, key) => operations.getOrCreate(key, create)],
  ['getOrCreateMulti', (operations, key) => operations.getOrCreateMulti(['good', key], (keys) => keys.map(() => 1))],
  ['keyIsLocked', (operations, key) => operations.keyIsLocked(key)],
  ['increment', (operations, key) => operations.increment(key)],
  ['decrement', (operations, key) => operations.decrement(key)],
];
/** And those of the region alone. */
const REGION_CALLS: readonly [string, (region: Region, key: string) => unknown][] = [
  ['refresh', (region, key) => region.refresh(key, create)],
  ['waitFor', (region, key) => region.waitFor(key, { timeout: 0 })],
  ['subscribe', (region, key) => region.subscribe(key, () => {})],
];

const REFUSED: readonly (readonly [key: unknown, says: string])[] = [
  ...[1, 0, null, undefined, true, Symbol('k'), 1n, {}, ['k'], new String('k'), () => 'k'].map(
    (key) => [key, 'must be a string'] as const,
  ),
  ['', 'empty'],
  ['x'.repeat(65_537), '65537 bytes'],
  ['é'.repeat(32_769), '65538 bytes'],
  ['😀'.repeat(16_385), '65540 bytes'],
  ['a\ud83d', 'lone surrogate'],
  ['\ude00b', 'lone surrogate'],
  ['\0stockpile.invalidations', 'reserved'],
];
/** Keys of exactly 65,536 bytes, in characters of one, two and four. */
const LONGEST = ['x'.repeat(65_536), 'é'.repeat(32_768), '😀'.repeat(16_384)];

describe.each(FACES)('%s', (_face, of) => {
  test.each(CALLS)('20: %s refuses what is no key, says why, and sends nothing', async (_name, call) => {
    const { backend, calls } = recorded();
    const { region } = regionOn(backend);
    for (const [key, says] of REFUSED) {
      const error = await failureOf(() => call(of(region), key as string));
      expect(error.code).toBe(VALIDATION);
      expect(error.message).toContain(says);
    }
    expect(calls).toEqual([]);
  });

  test.each(CALLS)('90: %s takes a key of exactly 65,536 bytes', async (_name, call) => {
    const { backend, calls } = recorded();
    const operations = of(regionOn(backend).region);
    for (const key of LONGEST) {
      expect(Buffer.byteLength(key)).toBe(MAX_KEY_BYTES);
      await call(operations, key);
    }
    expect(calls.length).toBeGreaterThanOrEqual(LONGEST.length);
  });
});

test.each(REGION_CALLS)('20: %s refuses what is no key, says why, and sends nothing', async (name, call) => {
  const { backend, calls } = recorded();
  const { region } = regionOn(backend);
  for (const [key, says] of REFUSED) {
    if (name === 'subscribe' && key === null) continue; // null: all keys
    const error = await failureOf(() => call(region, key as string));
    expect(error.code).toBe(VALIDATION);
    expect(error.message).toContain(says);
  }
  expect(calls).toEqual([]);
});

test('20: the error carries the key and shows at most 300 characters of it', async () => {
  const key = 'k'.repeat(70_000);
  const error = await failureOf(() => regionOn('memory').region.get(key));
  expect(error.key).toBe(key);
  expect(error.message).toContain(`${'k'.repeat(299)}…`);
});

describe.each(VARIANTS)('%s over %s', (_face, backend, of) => {
  test('90: unusual keys are distinct entries', async () => {
    const keys = [
      'a',
      'a ',
      ' a',
      'A',
      'a\n',
      'a\r\n',
      '\0',
      'a\0b',
      '__proto__',
      'constructor',
      '😀',
      'é',
      'e\u0301',
      '%',
      ':',
      '%3A',
      '1',
      '01',
      'x'.repeat(250),
      'x'.repeat(251),
      'x'.repeat(65_536),
    ];
    const operations = of(regionOn(backend).region);
    for (const [i, key] of keys.entries()) await operations.set(key, i);
    for (const [i, key] of keys.entries()) expect(await operations.get(key)).toBe(i);
    expect(await operations.getMulti(keys)).toEqual(keys.map((_, i) => i));
    expect(await operations.deleteMulti(keys)).toBe(keys.length);
  });

  test('88: a thousand keys keep their order', async () => {
    const keys = Array.from({ length: 1000 }, (_, i) => `k${(i * 7919) % 1000}`);
    const operations = of(regionOn(backend).region);
    await operations.setMulti(new Map(keys.map((key) => [key, key])));
    expect(await operations.getMulti(keys)).toEqual(keys);
    expect(await operations.deleteMulti(keys)).toBe(1000);
  });
});

describe('namespaces', () => {
  const text = fc
    .oneof(fc.stringMatching(/^[ab:%3A2]{1,6}$/), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }))
    .filter((s) => s.isWellFormed() && !s.startsWith('\0stockpile.'));

  test("9: ('a', 'b:c') and ('a:b', 'c') are two entries", async () => {
    const backend = new MemoryBackend();
    const one = createRegion({ namespace: 'a' }).configure(backend);
    const two = createRegion({ namespace: 'a:b' }).configure(backend);
    await one.set('b:c', 1);
    expect(await two.get('c')).toBe(NO_VALUE);
    await two.set('c', 2);
    expect(await one.get('b:c')).toBe(1);
    expect(await all(one.keys())).toEqual(['b:c']);
    expect(await all(two.keys())).toEqual(['c']);
  });

  test('9: two pairs of namespace and key have one stored key only if they are the same pair', () => {
    const storedKey = (namespace: string, key: string): string => {
      const cacheMap = new Map<string, CachedValue>();
      createRegion({ namespace }).configure('memory', { arguments: { cacheMap } }).sync.set(key, 1);
      return [...cacheMap.keys()].join();
    };
    fc.assert(
      fc.property(text, text, text, text, (n1, k1, n2, k2) => {
        expect(storedKey(n1, k1) === storedKey(n2, k2)).toBe(n1 === n2 && k1 === k2);
      }),
      {
        numRuns: 500,
        examples: [
          ['a', 'b:c', 'a:b', 'c'],
          ['a%3A', 'b', 'a:', 'b'],
          ['a', '%3Ab', 'a%3A', 'b'],
        ],
      },
    );
  });

  test('9: what one namespace enumerates, clears and invalidates is not that of another', () => {
    fc.assert(
      fc.property(text, text, text, (n1, n2, key) => {
        fc.pre(n1 !== n2);
        const backend = new MemoryBackend();
        const one = createRegion({ namespace: n1 }).configure(backend).sync;
        const two = createRegion({ namespace: n2 }).configure(backend).sync;
        one.set(key, 1);
        expect([...two.keys()]).toEqual([]);
        expect(two.delete(key)).toBe(false);
        two.set(key, 2);
        two.invalidate();
        two.clear();
        expect([...one.entries()]).toEqual([[key, 1]]);
      }),
    );
  });

  test('the namespace is the name by default, and the empty one adds nothing', () => {
    const cacheMap = new Map<string, CachedValue>();
    const args = { arguments: { cacheMap } };
    createRegion({ name: 'users' }).configure('memory', args).sync.set('k', 1);
    createRegion({ name: 'users', namespace: '' }).configure('memory', args).sync.set('k', 1);
    createRegion({ name: 'users', namespace: 'u' }).configure('memory', args).sync.set('k', 1);
    expect([...cacheMap.keys()]).toEqual(['users:k', 'k', 'u:k']);
  });
});

describe('manglers', () => {
  /** Reverses; so that a key that is mangled twice shows. */
  const reverse: KeyMangler = (key) => `r-${[...key].reverse().join('')}`;

  test('hashMangler is SHA-256 in base64url', () => {
    expect(hashMangler('')).toBe('47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU');
    expect(hashMangler('a')).toHaveLength(43);
  });

  test('lengthMangler mangles what has more bytes than allowed', () => {
    const mangle = lengthMangler(10, (key) => `long${key.length}`);
    expect(mangle('x'.repeat(10))).toBe('x'.repeat(10));
    expect(mangle('x'.repeat(11))).toBe('long11');
    expect(mangle('é'.repeat(6))).toBe('long6');
    expect(lengthMangler(10)('x'.repeat(11))).toBe(hashMangler('x'.repeat(11)));
    for (const bytes of [0, -1, 1.5, Number.NaN, Infinity]) {
      expect(() => lengthMangler(bytes)).toThrow(expect.objectContaining({ code: VALIDATION }));
    }
  });

  describe.each(FACES)('of a region, through %s', (_face, of) => {
    test('8: name the stored key, and every method takes the original one', async () => {
      const { backend, calls } = recorded();
      const operations = of(regionOn(backend, {}, { keyMangler: reverse }).region);
      await operations.set('abc', 1);
      expect([...backend.keys('')]).toEqual(['test:r-cba']);
      expect(await operations.get('abc')).toBe(1);
      expect(await operations.getEntry('abc')).toMatchObject({ value: 1 });
      expect(await operations.getMulti(['abc', 'x'])).toEqual([1, NO_VALUE]);
      expect(await operations.getOrCreate('abc', () => 2)).toBe(1);
      expect(await operations.getOrCreateMulti(['abc', 'def'], (keys) => keys.map((key) => `new ${key}`))).toEqual([
        1,
        'new def',
      ]);
      expect(await operations.increment('abc', 4)).toBe(5);
      expect(await operations.decrement('abc', 1)).toBe(4);
      await operations.setMulti({ ghi: 3 });
      expect([...backend.keys('')].sort()).toEqual(['test:r-cba', 'test:r-fed', 'test:r-ihg']);
      expect(await operations.deleteMulti(['ghi', 'def'])).toBe(2);
      expect(await operations.delete('abc')).toBe(true);
      expect([...backend.keys('')]).toEqual([]);
      expect(calls.length).toBeGreaterThan(0);
    });

    test('8: name the lock too, also for keyIsLocked', async () => {
      const { backend, calls } = recorded();
      const operations = of(regionOn(backend, {}, { keyMangler: reverse }).region);
      let locked: unknown[] = [];
      await operations.getOrCreate('abc', () => {
        locked = [operations.keyIsLocked('abc'), operations.keyIsLocked('r-cba')];
        return 1;
      });
      expect(await Promise.all(locked)).toEqual([true, false]);
      const named = calls.filter(({ method }) => method === 'getMutex').map(({ args }) => args[0]);
      expect(new Set(named)).toEqual(new Set(['test:r-cba', 'test:r-abc-r']));
    });

    test('8: creators, shouldCache and invalidators see the original key', async () => {
      const seen: string[] = [];
      const { region } = regionOn(
        'memory',
        {
          shouldCache: (_value, key) => seen.push(`shouldCache ${key}`) > 0,
          regionInvalidator: {
            invalidate() {},
            check: ({ key }) => {
              seen.push(`check ${key}`);
              return 'valid';
            },
          },
        },
        { keyMangler: reverse },
      );
      const operations = of(region);
      await operations.getOrCreate('abc', ({ key }) => seen.push(`creator ${key}`));
      await operations.getOrCreateMulti(['def'], (keys, context) => {
        seen.push(`multi ${keys} ${context.keys}`);
        return [1];
      });
      await operations.get('abc');
      expect(new Set(seen)).toEqual(
        new Set(['creator abc', 'shouldCache abc', 'check abc', 'multi def def', 'shouldCache def', 'check def']),
      );
    });

    test.each([[''], [undefined], [5], [Promise.resolve('x')]])('8: one that makes %p is refused', async (result) => {
      const { backend, calls } = recorded();
      const { region } = regionOn(backend, {}, { keyMangler: () => result as string });
      const error = await failureOf(() => of(region).get('k'));
      expect(error).toMatchObject({ code: VALIDATION, key: 'k' });
      expect(calls).toEqual([]);
    });
  });

  test('8: errors of a multi write name the original keys', async () => {
    const { region } = regionOn('memory-pickle', {}, { keyMangler: hashMangler });
    for (const work of [
      () => region.setMulti({ good: 1, bad: create, worse: create }),
      () => region.sync.setMulti({ good: 1, bad: create, worse: create }),
    ]) {
      expect((await failureOf(work)).keys).toEqual(['bad', 'worse']);
    }
  });

  test('8: a mangler of the backend gets the whole key; that of the user replaces it, false switches it off', async () => {
    const stored = async (keyMangler: KeyMangler | false | undefined): Promise<string[]> => {
      const backend = Object.defineProperty(new MemoryBackend(), 'keyMangler', { value: reverse });
      const region = createRegion({ name: 'ns', ...(keyMangler !== undefined && { keyMangler }) }).configure(backend);
      await region.set('abc', 1);
      expect(await region.get('abc')).toBe(1);
      return [...backend.keys('')];
    };
    expect(await stored(undefined)).toEqual(['r-cba:sn']);
    expect(await stored((key) => `user-${key}`)).toEqual(['ns:user-abc']);
    expect(await stored(false)).toEqual(['ns:abc']);
  });

  test('8: what the region keeps beside its entries is not among its keys', async () => {
    for (const keyMangler of [undefined, hashMangler]) {
      const region = createRegion({ clock: new TestClock(), ...(keyMangler && { keyMangler }) });
      region.configure('memory', { regionInvalidator: sharedInvalidator() });
      await region.invalidate();
      expect(await region.size()).toBe(0);
      expect(region.sync.size()).toBe(0);
    }
  });

  test('8: entries() of a region with a mangler still has the values', async () => {
    const { region } = regionOn('memory', {}, { keyMangler: reverse });
    await region.set('abc', 1);
    expect((await all(region.entries())).map(([, value]) => value)).toEqual([1]);
    expect([...region.sync.entries()].map(([, value]) => value)).toEqual([1]);
  });
});
