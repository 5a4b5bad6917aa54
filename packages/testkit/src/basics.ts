/** get, set, delete, close. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import type { Kit } from './kit.js';
import { FOREVER, valueIn } from './kit.js';
import { assertSame } from './same.js';

export function basics({ test, options }: Kit): void {
  test('get() answers NO_VALUE for an absent key', async ({ backend }) => {
    assert.strictEqual(await backend.get('absent'), NO_VALUE);
  });

  test('get() answers with the value that was set', async (subject) => {
    await subject.put('key', { name: 'Ada' });
    assertSame(await subject.read('key'), { name: 'Ada' });
  });

  test('get() answers with the metadata that was set', async ({ backend, clock }) => {
    const metadata = { createdAt: clock.now() - 5, expirationTime: 1500, creationTime: 12, tags: ['a', 'b c', 'ü'] };
    await backend.set('key', { value: 1, metadata }, FOREVER);
    const found = await backend.get('key');
    assert.notStrictEqual(found, NO_VALUE);
    if (found !== NO_VALUE) assertSame({ ...found.metadata }, metadata);
  });

  test('get() answers for one key only', async (subject) => {
    await subject.put('ab', 2);
    await subject.put('a', 1);
    await subject.put('b', 3);
    assertSame([await subject.read('a'), await subject.read('ab'), await subject.read('b')], [1, 2, 3]);
  });

  test('get() can be repeated', async (subject) => {
    await subject.put('key', 'value');
    for (let i = 0; i < 3; i++) assertSame(await subject.read('key'), 'value');
  });

  test('set() replaces the value', async (subject) => {
    await subject.put('key', 'a long old value, longer than the new one');
    await subject.put('key', 'new');
    assertSame(await subject.read('key'), 'new');
  });

  test('set() stores after a delete()', async (subject) => {
    await subject.put('key', 1);
    await subject.backend.delete('key');
    await subject.put('key', 2);
    assertSame(await subject.read('key'), 2);
  });

  const fits = options.maxValueBytes ?? 2 ** 20;
  test(`set() stores a value of ${fits} bytes`, async (subject) => {
    const value = Buffer.alloc(fits, 'large ');
    await subject.put('large', value);
    const found = await subject.read('large');
    assert.ok(Buffer.isBuffer(found) && found.equals(value), 'the bytes differ');
  });

  test('delete() removes the entry and tells whether it was there', async (subject) => {
    await subject.put('key', 1);
    await subject.put('other', 2);
    assert.strictEqual(await subject.backend.delete('key'), true);
    assertSame(await subject.read('key'), NO_VALUE);
    assertSame(await subject.read('other'), 2);
  });

  test('delete() answers false for an absent key', async (subject) => {
    assert.strictEqual(await subject.backend.delete('absent'), false);
    await subject.put('key', 1);
    await subject.backend.delete('key');
    assert.strictEqual(await subject.backend.delete('key'), false, 'the second delete() of one key');
  });

  test('delete() answers true for a value that is falsy', async (subject) => {
    for (const value of [undefined, null, 0, '', false]) {
      await subject.put('key', value);
      assert.strictEqual(await subject.backend.delete('key'), true, `after set() of ${String(value)}`);
    }
  });

  test('close() can be called twice', async (subject) => {
    await subject.put('key', 1);
    await subject.backend.close();
    await subject.backend.close();
  });

  if (options.connect !== undefined) {
    test('get() sees what another instance does', async (subject) => {
      const other = await subject.connect();
      await subject.put('key', 1);
      assertSame(valueIn(await other.get('key')), 1);
      await other.set('key', subject.item(2), FOREVER);
      assertSame(await subject.read('key'), 2);
      assert.strictEqual(await other.delete('key'), true);
      assertSame(await subject.read('key'), NO_VALUE);
    });
  }
}
