/** What a ttl does: the entry is readable for as long, and gone after it. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import { FOREVER, type Kit, SHORT_TTL, type Subject } from './kit.js';
import { assertSame } from './same.js';

const DAY = 86_400_000;

export function expiry({ test, options }: Kit): void {
  const injected = options.clock === 'injected';

  test('set() with a ttl keeps the entry for as long', async (subject) => {
    const ttl = 1000;
    const start = subject.clock.now();
    await subject.put('key', 'value', ttl);
    assertSame(await subject.read('key'), 'value');
    await subject.pass(injected ? ttl - 1 : ttl / 2);
    const found = await subject.read('key');
    const late = subject.clock.now() - start >= ttl; // the machine was asleep: nothing can be said
    if (!late) assertSame(found, 'value');
  });

  for (const ttl of [SHORT_TTL, 1000]) {
    test(`get() answers NO_VALUE after a ttl of ${ttl} ms`, async (subject) => {
      await subject.put('key', 'value', ttl);
      await subject.outlive(ttl);
      assertSame(await subject.read('key', subject.clock.now()), NO_VALUE, 'get(key, now)');
      assertSame(await subject.read('key'), NO_VALUE, 'get(key)');
    });
  }

  test('getMulti() answers NO_VALUE after the ttl', async (subject) => {
    await subject.put('short', 1, SHORT_TTL);
    await subject.put('long', 2);
    await subject.outlive(SHORT_TTL);
    assert.deepStrictEqual(await subject.readMulti(['short', 'long']), [NO_VALUE, 2]);
  });

  test('setMulti() gives every entry the ttl', async (subject) => {
    await subject.backend.setMulti(subject.items({ a: 1, b: 2 }), { ttl: SHORT_TTL });
    assertSame(await subject.readMulti(['a', 'b']), [1, 2]);
    await subject.outlive(SHORT_TTL);
    assert.deepStrictEqual(await subject.readMulti(['a', 'b']), [NO_VALUE, NO_VALUE]);
  });

  test('set() with a ttl of 60 days keeps the entry', async (subject) => {
    await staysReadable(subject, 60 * DAY, 59 * DAY);
  });

  test('set() with a ttl of Infinity keeps the entry', async (subject) => {
    await staysReadable(subject, FOREVER.ttl, 3650 * DAY);
  });

  test('set() again with a longer ttl replaces the shorter', async (subject) => {
    await subject.put('timed', 'old', SHORT_TTL);
    await subject.put('timed', 'new', 60 * DAY);
    await subject.put('endless', 'old', SHORT_TTL);
    await subject.put('endless', 'new');
    await subject.outlive(SHORT_TTL);
    assertSame(await subject.readMulti(['timed', 'endless']), ['new', 'new']);
  });

  test('set() again with a shorter ttl replaces the longer', async (subject) => {
    await subject.put('key', 'old');
    await subject.put('key', 'new', SHORT_TTL);
    await subject.outlive(SHORT_TTL);
    assertSame(await subject.read('key'), NO_VALUE);
  });

  test('set() after the ttl stores anew', async (subject) => {
    await subject.put('key', 'old', SHORT_TTL);
    await subject.outlive(SHORT_TTL);
    await subject.put('key', 'new', 60 * DAY);
    assertSame(await subject.read('key'), 'new');
  });

  test('delete() answers false after the ttl', async (subject) => {
    await subject.put('key', 'value', SHORT_TTL);
    await subject.outlive(SHORT_TTL);
    assert.strictEqual(await subject.backend.delete('key'), false);
  });

  test('deleteMulti() does not count entries past their ttl', async (subject) => {
    await subject.put('short', 1, SHORT_TTL);
    await subject.put('long', 2);
    await subject.outlive(SHORT_TTL);
    assert.strictEqual(await subject.backend.deleteMulti(['short', 'long']), 1);
  });

  async function staysReadable(subject: Subject, ttl: number, later: number): Promise<void> {
    await subject.put('key', 'value', ttl);
    // a timer or a field that overflows would free the entry now
    await subject.pass(injected ? later : 20);
    assertSame(await subject.read('key'), 'value');
  }
}
