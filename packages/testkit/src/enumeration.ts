/** keys. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import { FOREVER, type Kit, SHORT_TTL, type Subject } from './kit.js';
import { assertSame } from './same.js';

/** Prefixes that mean something else in the patterns of Redis, SQL, shells and regular expressions. */
export const PATTERN_PREFIXES: readonly string[] = ['a*', 'a?', 'a[bc]', 'a.', 'a_', 'a%', 'a\\', '^a', 'a$', 'a|'];

export function enumeration({ test, has, options }: Pick<Kit, 'test' | 'has' | 'options'>): void {
  test('keys() of an empty storage are none', async (subject) => {
    assertSame(await keysOf(subject, ''), []);
  });

  test('keys() are those that begin with the prefix', async (subject) => {
    for (const key of ['users:1', 'users:2', 'users', 'user:3', 'orders:users:4']) await subject.put(key, 1);
    assertSame(await keysOf(subject, 'users:'), ['users:1', 'users:2']);
    assertSame(await keysOf(subject, 'nobody:'), []);
  });

  test("keys('') are all", async (subject) => {
    for (const key of ['users:1', 'b', ':']) await subject.put(key, 1);
    assertSame(await keysOf(subject, ''), [':', 'b', 'users:1']);
  });

  test('keys() take a prefix literally, not as a pattern', async (subject) => {
    for (const prefix of PATTERN_PREFIXES) await subject.put(`${prefix}:key`, 1);
    await subject.put('ab:key', 1);
    for (const prefix of PATTERN_PREFIXES) {
      assertSame(await keysOf(subject, `${prefix}:`), [`${prefix}:key`], `keys('${prefix}:')`);
    }
  });

  test('keys() are whole keys, whatever characters they have', async (subject) => {
    const keys = ['p:', 'p: ', 'p:\n', 'p:\0', 'p:😀', 'p:__proto__', 'p:../x', 'p:"\'\\'];
    for (const key of keys) await subject.put(key, 1);
    assertSame(await keysOf(subject, 'p:'), keys.sort());
  });

  test('keys() name a key once, also if it was set twice', async (subject) => {
    await subject.put('key', 1);
    await subject.put('key', 2);
    assertSame(await keysOf(subject, 'k'), ['key']);
  });

  test('keys() leave out what was deleted', async (subject) => {
    await subject.put('a', 1);
    await subject.put('b', 1);
    await subject.backend.delete('a');
    assertSame(await keysOf(subject, ''), ['b']);
  });

  if (has('ttl')) {
    test('keys() leave out what is past its ttl', async (subject) => {
      await subject.put('short', 1, SHORT_TTL);
      await subject.put('long', 1);
      await subject.outlive(SHORT_TTL);
      assertSame(await keysOf(subject, ''), ['long']);
    });
  }

  test('keys() can be deleted while they are read', async (subject) => {
    for (let i = 0; i < 20; i++) await subject.put(`key:${i}`, i);
    for await (const key of subject.backend.keys('key:')) await subject.backend.delete(key);
    const left = await subject.readMulti(Array.from({ length: 20 }, (_, i) => `key:${i}`));
    assert.ok(
      left.every((value) => value === NO_VALUE),
      `${left.filter((value) => value !== NO_VALUE).length} of 20 were passed over`,
    );
  });

  test('keys() of 1000 entries come each once', async (subject) => {
    const keys = Array.from({ length: 1000 }, (_, i) => `key:${String(i).padStart(4, '0')}`);
    await subject.backend.setMulti(new Map(keys.map((key) => [key, subject.item(key)])), FOREVER);
    const found = await keysOf(subject, 'key:');
    const held = options.mayEvict ? keys.filter((key) => found.includes(key)) : keys;
    assertSame(found, held);
    assert.ok(found.length > 0, 'some entries stay');
  });
}

/** Sorted, since no order is promised. */
async function keysOf({ backend }: Subject, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const key of backend.keys(prefix)) keys.push(key);
  return keys.sort();
}
