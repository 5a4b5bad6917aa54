/** getMulti, setMulti, deleteMulti. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import { FOREVER, type Kit } from './kit.js';
import { assertSame } from './same.js';

const MANY = 1000;

export function multi({ test, options }: Kit): void {
  test('getMulti() answers in the order of the keys', async (subject) => {
    for (const key of ['a', 'b', 'c']) await subject.put(key, `value of ${key}`);
    assertSame(await subject.readMulti(['c', 'a', 'b']), ['value of c', 'value of a', 'value of b']);
  });

  test('getMulti() answers NO_VALUE in the place of absent keys', async (subject) => {
    await subject.put('a', 1);
    await subject.put('c', undefined);
    const found = await subject.readMulti(['x', 'a', 'y', 'c']);
    assert.deepStrictEqual(found, [NO_VALUE, 1, NO_VALUE, undefined]);
  });

  test('getMulti() answers for a repeated key each time', async (subject) => {
    await subject.put('a', 1);
    await subject.put('b', 2);
    assert.deepStrictEqual(await subject.readMulti(['a', 'b', 'a', 'x', 'x']), [1, 2, 1, NO_VALUE, NO_VALUE]);
  });

  test('getMulti() of no keys answers with an empty array', async (subject) => {
    assert.deepStrictEqual(await subject.readMulti([]), []);
  });

  test('setMulti() stores every entry and answers with no lost keys', async (subject) => {
    const lost = await subject.backend.setMulti(subject.items({ a: 1, b: undefined, c: [3] }), FOREVER);
    assertSame([...lost], []);
    assertSame([await subject.read('a'), await subject.read('b'), await subject.read('c')], [1, undefined, [3]]);
  });

  test('setMulti() replaces values', async (subject) => {
    await subject.put('a', 'old');
    await subject.backend.setMulti(subject.items({ a: 'new', b: 'new' }), FOREVER);
    assertSame(await subject.readMulti(['a', 'b']), ['new', 'new']);
  });

  test('setMulti() of nothing does nothing', async (subject) => {
    await subject.put('a', 1);
    assertSame([...(await subject.backend.setMulti(new Map(), FOREVER))], []);
    assertSame(await subject.read('a'), 1);
  });

  test('deleteMulti() removes the entries and tells how many were there', async (subject) => {
    await subject.backend.setMulti(subject.items({ a: 1, b: 2, c: 3 }), FOREVER);
    assert.strictEqual(await subject.backend.deleteMulti(['a', 'x', 'c']), 2);
    assert.deepStrictEqual(await subject.readMulti(['a', 'b', 'c']), [NO_VALUE, 2, NO_VALUE]);
  });

  test('deleteMulti() counts a repeated key once', async (subject) => {
    await subject.put('a', 1);
    assert.strictEqual(await subject.backend.deleteMulti(['a', 'a']), 1);
  });

  test('deleteMulti() of no keys answers 0', async (subject) => {
    await subject.put('a', 1);
    assert.strictEqual(await subject.backend.deleteMulti([]), 0);
    assertSame(await subject.read('a'), 1);
  });

  test(`getMulti(), setMulti() and deleteMulti() take ${MANY} keys`, async (subject) => {
    const keys = Array.from({ length: MANY }, (_, i) => `key:${i}`);
    const items = new Map(keys.map((key, i) => [key, subject.item(i)]));
    assertSame([...(await subject.backend.setMulti(items, FOREVER))], []);
    const found = await subject.readMulti(keys);
    assert.strictEqual(found.length, MANY);
    for (const [i, value] of found.entries()) {
      if (options.mayEvict && value === NO_VALUE) continue;
      assert.strictEqual(value, i, `the value of ${keys[i]}`);
    }
    const held = found.filter((value) => value !== NO_VALUE).length;
    assert.strictEqual(await subject.backend.deleteMulti(keys), held);
    assert.ok(
      (await subject.readMulti(keys)).every((value) => value === NO_VALUE),
      'all are gone',
    );
  });
}
