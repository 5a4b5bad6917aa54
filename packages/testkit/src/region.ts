/** The driver under a region: what an application will do with it. */

import assert from 'node:assert/strict';
import { type Capability, NO_VALUE, type Region } from '@stockpile/core';
import { assertFails, type Kit, type Subject, within } from './kit.js';
import { ODD_KEYS, refusalOr, shown } from './odd-keys.js';
import { pick, randomNumbers, recording, sorted, turn } from './region-helpers.js';
import { assertSame } from './same.js';

const PARALLEL = 1000;
const CALLERS = 5;
const ROUNDS = 4;
const KEYS = 10;
const SEED = 20_240_101;
const IMPOSSIBLE = (): never => assert.fail('the creator must not be called');

/** How a region asks for what a capability stands for. */
const USES: Partial<Record<Capability, readonly [string, (region: Region) => unknown]>> = {
  sync: ['sync', (region) => region.sync.get('key')],
  counters: ['increment()', (region) => region.increment('key')],
  enumerate: ['keys()', (region) => region.keys().next()],
  clear: ['clear()', (region) => region.clear()],
  events: ['subscribe()', (region) => region.subscribe(null, () => {})],
};

export function region({ test, has, options }: Kit): void {
  test('getOrCreate() creates once, then hits', async (subject) => {
    const users = subject.region('users');
    assertSame(await users.getOrCreate('ada', async () => ({ name: 'Ada' })), { name: 'Ada' });
    assertSame(await users.getOrCreate('ada', IMPOSSIBLE), { name: 'Ada' });
    assertSame(await users.get('ada'), { name: 'Ada' });
  });

  test('getOrCreate() takes undefined, null, 0, "" and false for hits', async (subject) => {
    const users = subject.region('users');
    for (const [i, value] of [undefined, null, 0, '', false].entries()) {
      const key = `key ${i}`;
      assertSame(await users.getOrCreate(key, () => value), value);
      assertSame(await users.getOrCreate(key, IMPOSSIBLE), value);
      assertSame(await users.get(key), value);
    }
  });

  test('getOrCreate() passes the error of the creator on, unchanged, and stores nothing', async (subject) => {
    const users = subject.region('users');
    const failure = new Error('no such user');
    const outcome = users.getOrCreate('ada', () => Promise.reject(failure)).catch((error: unknown) => error);
    assert.strictEqual(await outcome, failure);
    assert.strictEqual(await users.keyIsLocked('ada'), false);
    assertSame(await users.get('ada'), NO_VALUE);
    assertSame(await users.getOrCreate('ada', () => 'Ada'), 'Ada');
  });

  test('getOrCreate() creates again once the value is stale', async (subject) => {
    const users = subject.region('users', { expirationTime: 100, grace: '1h' });
    assertSame(await users.getOrCreate('ada', () => 1), 1);
    await subject.pass(150);
    assertSame(await users.get('ada'), NO_VALUE);
    assertSame(await users.get('ada', { ignoreExpiration: true }), 1);
    assertSame(await users.getOrCreate('ada', () => 2), 2);
    assertSame(await users.get('ada'), 2);
  });

  test('getOrCreate() many times at once creates once', async (subject) => {
    const regions = await sharing(subject);
    let created = 0;
    const creator = async (): Promise<number> => {
      await turn();
      return ++created;
    };
    const calls = Array.from({ length: 20 }, (_, i) => pick(regions, i).getOrCreate('key', creator));
    assertSame(await within(Promise.all(calls), 4000, '20 calls of getOrCreate()'), new Array(20).fill(1));
  });

  test('getOrCreateMulti() creates what is missing and answers in the order of the keys', async (subject) => {
    const users = subject.region('users');
    await users.set('b', 'stored');
    const asked: string[][] = [];
    const creator = (keys: readonly string[]): string[] => {
      asked.push([...keys]);
      return keys.map((key) => `new ${key}`);
    };
    const found = await users.getOrCreateMulti(['c', 'b', 'a', 'c'], creator);
    assertSame(found, ['new c', 'stored', 'new a', 'new c']);
    assertSame(asked, [['c', 'a']]);
    assertSame(await users.getMulti(['a', 'b', 'c']), ['new a', 'stored', 'new c']);
  });

  test('getOrCreateMulti() whose values are all refused stores nothing and fails in nothing', async (subject) => {
    const users = subject.region('users');
    const found = await users.getOrCreateMulti(['a', 'b'], (keys) => [...keys], { shouldCache: () => false });
    assertSame(found, ['a', 'b']);
    assert.deepStrictEqual(await users.getMulti(['a', 'b']), [NO_VALUE, NO_VALUE]);
    assert.strictEqual(users.stats().errors, 0);
  });

  test(`getOrCreateMulti() of ${CALLERS} callers with random keys creates each key once`, async (subject) => {
    const regions = await sharing(subject);
    const random = randomNumbers(SEED);
    const created = new Map<string, number>();
    const creator = async (keys: readonly string[]): Promise<string[]> => {
      for (const key of keys) created.set(key, (created.get(key) ?? 0) + 1);
      await turn();
      return keys.map((key) => `value of ${key}`);
    };
    for (let round = 0; round < ROUNDS; round++) {
      const calls = Array.from({ length: CALLERS }, async (_, i) => {
        const keys = Array.from({ length: KEYS }, () => `${round}:${Math.floor(random() * KEYS)}`);
        const found = await pick(regions, i).getOrCreateMulti(keys, creator);
        assertSame(
          found,
          keys.map((key) => `value of ${key}`),
        );
      });
      await within(Promise.all(calls), 4000, `round ${round}, seed ${SEED},`);
    }
    const twice = [...created].filter(([, times]) => times > 1).map(([key]) => key);
    assertSame(twice, [], `created more than once, with seed ${SEED}`);
  });

  test('delete() while a creator runs wins: its result is not stored', async (subject) => {
    const users = subject.region('users');
    const result = users.getOrCreate('ada', async () => {
      await users.delete('ada');
      return 'outdated';
    });
    assertSame(await result, 'outdated');
    assertSame(await users.get('ada'), NO_VALUE);
  });

  test('invalidate() makes the next getOrCreate() create', async (subject) => {
    const users = subject.region('users');
    await users.getOrCreate('ada', () => 1);
    await users.invalidate();
    assertSame(await users.get('ada'), NO_VALUE);
    assertSame(await users.getOrCreate('ada', () => 2), 2);
    assertSame(await users.get('ada'), 2);
  });

  test('keyIsLocked() while the creator runs, and no longer', async (subject) => {
    const users = subject.region('users');
    assert.strictEqual(await users.keyIsLocked('ada'), false);
    assert.strictEqual(await users.getOrCreate('ada', () => users.keyIsLocked('ada')), true);
    assert.strictEqual(await users.keyIsLocked('ada'), false);
  });

  test('cacheFunction() calls the function once for the same arguments', async (subject) => {
    let calls = 0;
    const add = subject.region('functions').cacheFunction(function add(a: number, b: number) {
      calls++;
      return a + b;
    });
    assertSame([await add(1, 2), await add(1, 2), await add(2, 2)], [3, 3, 4]);
    assert.strictEqual(calls, 2);
    await add.delete(1, 2);
    await add(1, 2);
    assert.strictEqual(calls, 3);
  });

  test('cacheMultiFunction() calls the function for what is missing', async (subject) => {
    const asked: number[][] = [];
    const squares = subject.region('functions').cacheMultiFunction(function squares(numbers: readonly number[]) {
      asked.push([...numbers]);
      return numbers.map((n) => n * n);
    });
    assertSame(await squares([2, 8, 10]), [4, 64, 100]);
    assertSame(await squares([2, 9, 10]), [4, 81, 100]);
    assertSame(asked, [[2, 8, 10], [9]]);
  });

  test('get() of another namespace never meets a key', async (subject) => {
    const spaces = ['a', 'a:b', 'A', 'a b', 'a%3Ab'].map((namespace) => subject.region(namespace));
    const keys = ['c', 'b:c', 'a:b:c', ':c'];
    for (const [i, space] of spaces.entries()) {
      for (const key of keys) {
        assertSame(await space.get(key), NO_VALUE, `${space.name} ${key}`);
        await space.set(key, `${i} ${key}`);
      }
    }
    for (const [i, space] of spaces.entries()) {
      assertSame(
        await space.getMulti(keys),
        keys.map((key) => `${i} ${key}`),
      );
    }
  });

  test('get() keeps long and odd keys apart, or refuses them with ValidationError', async (subject) => {
    const pages = subject.region('pages of a long name');
    for (const [i, key] of ODD_KEYS.entries()) {
      await refusalOr(async () => {
        await pages.set(key, i);
        assertSame(await pages.get(key), i);
      }, key);
    }
    for (const [i, key] of ODD_KEYS.entries()) {
      await refusalOr(async () => assertSame(await pages.get(key), i, `get(${shown(key)})`), key);
    }
  });

  for (const [capability, [method, use]] of Object.entries(USES)) {
    if (has(capability as Capability)) continue;
    test(`${method} of a region without '${capability}' throws CapabilityError, and sends nothing`, async (subject) => {
      const sent: string[] = [];
      const users = subject.region('users').wrap(recording(sent));
      assert.strictEqual(users.supports(capability as Capability), false);
      await assertFails(() => use(users), 'ERR_STOCKPILE_CAPABILITY', method);
      assertSame(sent, []);
    });
  }

  if (has('sync')) {
    test('getOrCreate(), getMulti() and delete() of region.sync answer without promises', (subject) => {
      const users = subject.region('users').sync;
      assertSame(
        users.getOrCreate('ada', () => 'Ada'),
        'Ada',
      );
      assertSame(users.getOrCreate('ada', IMPOSSIBLE), 'Ada');
      assertSame(users.getMulti(['ada']), ['Ada']);
      assert.strictEqual(users.delete('ada'), true);
      assertSame(users.get('ada'), NO_VALUE);
    });
  }

  if (has('counters')) {
    test(`increment() of a region ${PARALLEL} times at once adds exactly ${PARALLEL}`, async (subject) => {
      const hits = subject.region('hits');
      await Promise.all(Array.from({ length: PARALLEL }, () => hits.increment('key')));
      assertSame(await hits.get('key'), PARALLEL);
      assert.strictEqual(await hits.decrement('key', PARALLEL), 0);
    });
  }

  if (has('enumerate') && has('clear')) {
    test('keys() and clear() of a region stay in its namespace', async (subject) => {
      const [users, orders] = [subject.region('users'), subject.region('users:orders')];
      for (const space of [users, orders]) await space.setMulti({ a: 1, b: 2 });
      assertSame(await sorted(users.keys()), ['a', 'b']);
      await users.clear();
      assertSame(await sorted(users.keys()), []);
      assertSame(await sorted(orders.keys()), ['a', 'b']);
    });
  }

  const unstorable: [string, () => unknown][] = [];
  const { maxValueBytes } = options;
  if (maxValueBytes !== undefined) unstorable.push(['is too large', () => Buffer.alloc(2 * maxValueBytes, 'large ')]);
  if (options.stores === 'bytes') unstorable.push(['cannot be serialised', () => () => {}]);
  for (const [what, make] of unstorable) {
    test(`getOrCreate() returns a value that ${what}, and stores nothing`, async (subject) => {
      const users = subject.region('users');
      const value = make();
      assert.strictEqual(await users.getOrCreate('ada', () => value), value);
      assertSame(await users.get('ada'), NO_VALUE);
      assert.strictEqual(await users.keyIsLocked('ada'), false);
    });
  }

  /** Regions on one storage: of two instances, where locks reach from one to the other. */
  async function sharing(subject: Subject): Promise<Region[]> {
    const own = subject.region('shared');
    if (!has('locks') || options.connect === undefined) return [own];
    return [own, subject.regionOn(await subject.connect(), 'shared')];
  }
}
