/** clear. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import { PATTERN_PREFIXES } from './enumeration.js';
import type { Kit } from './kit.js';
import { assertSame } from './same.js';

export function clearing({ test, options }: Kit): void {
  test('clear() removes the keys that begin with the prefix', async (subject) => {
    for (const key of ['users:1', 'users:2']) await subject.put(key, 1);
    await subject.backend.clear('users:');
    assert.deepStrictEqual(await subject.readMulti(['users:1', 'users:2']), [NO_VALUE, NO_VALUE]);
  });

  test('clear() spares other namespaces', async (subject) => {
    const others = ['user:1', 'users', 'orders:users:', 'orders:1'];
    for (const key of ['users:1', ...others]) await subject.put(key, key);
    await subject.backend.clear('users:');
    assertSame(await subject.readMulti(others), others);
  });

  test('clear() takes a prefix literally, not as a pattern', async (subject) => {
    for (const prefix of PATTERN_PREFIXES) {
      await subject.put(`${prefix}:key`, 1);
      await subject.put('ab:key', 1);
      await subject.put('key', 1);
      await subject.backend.clear(`${prefix}:`);
      const found = await subject.readMulti([`${prefix}:key`, 'ab:key', 'key']);
      assert.deepStrictEqual(found, [NO_VALUE, 1, 1], `after clear('${prefix}:')`);
    }
  });

  test("clear('') removes all", async (subject) => {
    for (const key of ['users:1', 'b']) await subject.put(key, 1);
    await subject.backend.clear('');
    assert.deepStrictEqual(await subject.readMulti(['users:1', 'b']), [NO_VALUE, NO_VALUE]);
  });

  test('clear() of what is empty does nothing', async (subject) => {
    await subject.backend.clear('users:');
    await subject.put('b', 1);
    await subject.backend.clear('users:');
    assertSame(await subject.read('b'), 1);
  });

  test('set() stores after a clear()', async (subject) => {
    await subject.put('users:1', 1);
    await subject.backend.clear('users:');
    await subject.put('users:1', 2);
    assertSame(await subject.read('users:1'), 2);
  });

  if (options.connect !== undefined) {
    test('clear() of one instance empties the other', async (subject) => {
      const other = await subject.connect();
      await subject.put('users:1', 1);
      await other.clear('users:');
      assertSame(await subject.read('users:1'), NO_VALUE);
    });
  }
}
