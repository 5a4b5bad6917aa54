/** Many operations at once on one driver. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import { FOREVER, type Kit } from './kit.js';
import { assertSame } from './same.js';

const PARALLEL = 50;

export function concurrency({ test }: Kit): void {
  test('get() many times at once answers each for its own key', async (subject) => {
    const keys = Array.from({ length: PARALLEL }, (_, i) => `key:${i}`);
    for (const key of keys) await subject.put(key, `value of ${key}`);
    const found = await Promise.all(keys.map((key) => subject.read(key)));
    assertSame(
      found,
      keys.map((key) => `value of ${key}`),
    );
  });

  test('set() of one key at once leaves one of the values, whole', async (subject) => {
    const values = Array.from({ length: PARALLEL }, (_, i) => String(i).repeat(1 + i * 40));
    await Promise.all(values.map((value) => subject.put('key', value)));
    const found = await subject.read('key');
    assert.ok(typeof found === 'string' && values.includes(found), 'the value is none of those that were set');
  });

  test('set() and get() at once show the old value or the new, whole', async (subject) => {
    const values = ['a', 'b'].map((letter) => letter.repeat(5000));
    await subject.put('key', values[0]);
    const rounds = Array.from({ length: PARALLEL }, async (_, i) => {
      if (i % 2 === 0) await subject.put('key', values[(i / 2) % 2]);
      else assert.ok(values.includes((await subject.read('key')) as string), 'a torn or absent value');
    });
    await Promise.all(rounds);
  });

  test('delete() of one key at once is true exactly once', async (subject) => {
    await subject.put('key', 1);
    const gone = await Promise.all(Array.from({ length: PARALLEL }, async () => subject.backend.delete('key')));
    assert.strictEqual(gone.filter(Boolean).length, 1);
    assertSame(await subject.read('key'), NO_VALUE);
  });

  test('setMulti() of overlapping keys at once leaves whole values', async (subject) => {
    const keys = Array.from({ length: 20 }, (_, i) => `key:${i}`);
    const batches = Array.from({ length: 10 }, async (_, batch) =>
      subject.backend.setMulti(new Map(keys.map((key) => [key, subject.item({ key, batch })])), FOREVER),
    );
    await Promise.all(batches);
    for (const [i, found] of (await subject.readMulti(keys)).entries()) {
      assert.ok(typeof found === 'object' && found !== null && 'batch' in found && 'key' in found);
      assert.strictEqual(found.key, keys[i]);
    }
  });
}
