/** increment. */

import assert from 'node:assert/strict';
import { type CachedValue, NO_VALUE } from '@stockpile/core';
import { assertFails, FOREVER, type Kit, SHORT_TTL, type Subject } from './kit.js';
import { assertSame } from './same.js';

const PARALLEL = 1000;

export function counters({ test, has, options }: Kit): void {
  test('increment() of an absent key stores what it begins with', async (subject) => {
    assert.strictEqual(await subject.backend.increment('hits', 1, subject.item(11), FOREVER), 11);
    assertSame(await subject.read('hits'), 11);
  });

  test('increment() adds to what is there', async (subject) => {
    await subject.put('hits', 5);
    assert.strictEqual(await add(subject, 'hits', 3), 8);
    assert.strictEqual(await add(subject, 'hits', 1), 9);
    assertSame(await subject.read('hits'), 9);
  });

  test('increment() counts each key for itself', async (subject) => {
    await add(subject, 'a', 1);
    await add(subject, 'b', 5);
    await add(subject, 'a', 1);
    assertSame(await subject.readMulti(['a', 'b']), [2, 5]);
  });

  test('increment() subtracts', async (subject) => {
    await subject.put('hits', 10);
    assert.strictEqual(await add(subject, 'hits', -4), 6);
  });

  test('increment() below zero goes there or is refused, and never stops at zero', async (subject) => {
    await subject.put('hits', 2);
    const answer = await Promise.resolve()
      .then(() => add(subject, 'hits', -5))
      .catch((error: unknown) => {
        assert.ok(
          error instanceof Error && 'code' in error && error.code === 'ERR_STOCKPILE_VALIDATION',
          String(error),
        );
        return 2; // refused: the value stays
      });
    assert.ok(answer === -3 || answer === 2, `2 - 5 gave ${answer}`);
    assertSame(await subject.read('hits'), answer);
  });

  test('increment() adds fractions', async (subject) => {
    await subject.put('sum', 0.5);
    assert.strictEqual(await add(subject, 'sum', 0.25), 0.75);
    assertSame(await subject.read('sum'), 0.75);
  });

  test('increment() keeps the metadata of the entry', async (subject) => {
    const metadata = { createdAt: subject.clock.now() - 7, expirationTime: 1500, tags: ['a'] };
    await subject.backend.set('hits', { value: 1, metadata }, FOREVER);
    await add(subject, 'hits', 1);
    const found = await subject.backend.get('hits');
    assert.ok(found !== NO_VALUE);
    assertSame({ ...(found as CachedValue).metadata }, metadata);
  });

  test('increment() of what is no number fails with ValidationError; the value stays', async (subject) => {
    for (const value of ['5', null, [1]]) {
      await subject.put('text', value);
      await assertFails(() => add(subject, 'text', 1), 'ERR_STOCKPILE_VALIDATION', `increment() of ${String(value)}`);
      assertSame(await subject.read('text'), value);
    }
  });

  if (has('ttl')) {
    test('increment() of an absent key gives it the ttl', async (subject) => {
      await subject.backend.increment('hits', 1, subject.item(1), { ttl: SHORT_TTL });
      await subject.outlive(SHORT_TTL);
      assertSame(await subject.read('hits'), NO_VALUE);
    });

    test('increment() of an existing entry keeps its ttl', async (subject) => {
      await subject.put('short', 1, SHORT_TTL);
      await subject.put('long', 1);
      await subject.backend.increment('short', 1, subject.item(1), FOREVER);
      await subject.backend.increment('long', 1, subject.item(1), { ttl: SHORT_TTL });
      await subject.outlive(SHORT_TTL);
      assert.deepStrictEqual(await subject.readMulti(['short', 'long']), [NO_VALUE, 2]);
    });

    test('increment() after the ttl begins anew', async (subject) => {
      await subject.put('hits', 40, SHORT_TTL);
      await subject.outlive(SHORT_TTL);
      assert.strictEqual(await add(subject, 'hits', 1), 1);
    });
  }

  test(`increment() ${PARALLEL} times at once adds exactly ${PARALLEL}`, async (subject) => {
    const sums = await Promise.all(Array.from({ length: PARALLEL }, () => add(subject, 'hits', 1)));
    assert.strictEqual(await subject.read('hits'), PARALLEL);
    assert.strictEqual(new Set(sums).size, PARALLEL, 'each call answers with its own sum');
  });

  if (options.connect !== undefined) {
    test('increment() of two instances at once adds up', async (subject) => {
      const other = await subject.connect();
      const calls = Array.from({ length: 100 }, (_, i) =>
        (i % 2 === 0 ? subject.backend : other).increment('hits', 1, subject.item(1), FOREVER),
      );
      await Promise.all(calls);
      assert.strictEqual(await subject.read('hits'), 100);
    });
  }
}

/** As a region with `initial: 0` would ask. */
async function add(subject: Subject, key: string, by: number): Promise<number> {
  return subject.backend.increment(key, by, subject.item(by), FOREVER);
}
