/** compareAndSet. */

import assert from 'node:assert/strict';
import { type CachedValue, NO_VALUE, type NoValue } from '@stockpile/core';
import { FOREVER, type Kit, SHORT_TTL } from './kit.js';
import { assertSame } from './same.js';

const PARALLEL = 20;

export function compareAndSet({ test, has, options }: Kit): void {
  test('compareAndSet() stores if the entry is the expected one', async (subject) => {
    await subject.put('key', 'old');
    const seen = await subject.backend.get('key');
    assert.strictEqual(await subject.backend.compareAndSet('key', seen, subject.item('new'), FOREVER), true);
    assertSame(await subject.read('key'), 'new');
  });

  test('compareAndSet() stores nothing if the entry was replaced', async (subject) => {
    await subject.put('key', 'old');
    const seen = await subject.backend.get('key');
    await subject.put('key', 'of another');
    assert.strictEqual(await subject.backend.compareAndSet('key', seen, subject.item('new'), FOREVER), false);
    assertSame(await subject.read('key'), 'of another');
  });

  test('compareAndSet() stores nothing if the entry was deleted', async (subject) => {
    await subject.put('key', 'old');
    const seen = await subject.backend.get('key');
    await subject.backend.delete('key');
    assert.strictEqual(await subject.backend.compareAndSet('key', seen, subject.item('new'), FOREVER), false);
    assertSame(await subject.read('key'), NO_VALUE);
  });

  test('compareAndSet() with NO_VALUE stores if nothing is there', async (subject) => {
    assert.strictEqual(await subject.backend.compareAndSet('key', NO_VALUE, subject.item(1), FOREVER), true);
    assertSame(await subject.read('key'), 1);
  });

  test('compareAndSet() with NO_VALUE stores nothing over an entry', async (subject) => {
    for (const value of ['old', undefined, 0]) {
      await subject.put('key', value);
      assert.strictEqual(await subject.backend.compareAndSet('key', NO_VALUE, subject.item('new'), FOREVER), false);
      assertSame(await subject.read('key'), value);
    }
  });

  if (has('ttl')) {
    test('compareAndSet() without a ttl keeps the ttl of the entry', async (subject) => {
      await subject.put('short', 1, SHORT_TTL);
      await subject.put('long', 1);
      for (const key of ['short', 'long']) {
        const seen = await subject.backend.get(key);
        assert.strictEqual(await subject.backend.compareAndSet(key, seen, subject.item(2), { ttl: undefined }), true);
      }
      await subject.outlive(SHORT_TTL);
      assert.deepStrictEqual(await subject.readMulti(['short', 'long']), [NO_VALUE, 2]);
    });

    test('compareAndSet() with a ttl replaces the ttl of the entry', async (subject) => {
      await subject.put('short', 1, SHORT_TTL);
      await subject.put('long', 1);
      const { backend } = subject;
      assert.ok(await backend.compareAndSet('short', await backend.get('short'), subject.item(2), FOREVER));
      assert.ok(await backend.compareAndSet('long', await backend.get('long'), subject.item(2), { ttl: SHORT_TTL }));
      await subject.outlive(SHORT_TTL);
      assert.deepStrictEqual(await subject.readMulti(['short', 'long']), [2, NO_VALUE]);
    });

    test('compareAndSet() counts an entry past its ttl as absent', async (subject) => {
      const { backend } = subject;
      await subject.put('key', 'old', SHORT_TTL);
      const seen = await backend.get('key');
      await subject.outlive(SHORT_TTL);
      assert.strictEqual(await backend.compareAndSet('key', seen, subject.item('new'), FOREVER), false);
      assert.strictEqual(await backend.compareAndSet('key', NO_VALUE, subject.item('new'), FOREVER), true);
    });
  }

  for (const present of [true, false]) {
    test(`compareAndSet() at once from ${present ? 'one entry' : 'nothing'} succeeds exactly once`, async (subject) => {
      if (present) await subject.put('key', 'old');
      const seen: CachedValue | NoValue = await subject.backend.get('key');
      const attempts = Array.from({ length: PARALLEL }, async (_, i) =>
        subject.backend.compareAndSet('key', seen, subject.item(i), FOREVER),
      );
      const won = await Promise.all(attempts);
      assert.strictEqual(won.filter(Boolean).length, 1);
      assertSame(await subject.read('key'), won.indexOf(true));
    });
  }

  if (options.connect !== undefined) {
    test('compareAndSet() sees the writes of another instance', async (subject) => {
      const other = await subject.connect();
      await subject.put('key', 'old');
      const seen = await other.get('key');
      await subject.put('key', 'of another');
      assert.strictEqual(await other.compareAndSet('key', seen, subject.item('new'), FOREVER), false);
      assert.strictEqual(await other.compareAndSet('key', await other.get('key'), subject.item('new'), FOREVER), true);
      assertSame(await subject.read('key'), 'new');
    });
  }
}
