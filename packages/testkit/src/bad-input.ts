/** Odd keys, and values that cannot be stored. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import { assertFails, FOREVER, type Kit, type Subject } from './kit.js';
import { ODD_KEYS, refusalOr, shown } from './odd-keys.js';
import { assertSame } from './same.js';

export function badInput({ test, has, options }: Kit): void {
  test('get() keeps odd and long keys apart, or refuses them with ValidationError', async (subject) => {
    const taken = await takeOddKeys(subject);
    for (const [key, index] of taken) assertSame(await subject.read(key), index, `get(${shown(key)})`);
    assertSame(await subject.readMulti([...taken.keys()]), [...taken.values()], 'getMulti()');
  });

  test('delete() removes odd and long keys one by one', async (subject) => {
    const taken = await takeOddKeys(subject);
    for (const key of taken.keys()) {
      assert.strictEqual(await subject.backend.delete(key), true, `delete(${shown(key)})`);
      assertSame(await subject.read(key), NO_VALUE, `get(${shown(key)})`);
      taken.delete(key);
    }
  });

  test('get() answers NO_VALUE for odd keys that were not set', async (subject) => {
    await subject.put('key', 1);
    for (const key of fit(subject)) {
      await refusalOr(async () => assertSame(await subject.read(key), NO_VALUE, `get(${shown(key)})`), key);
    }
  });

  if (has('locks')) {
    test('acquire() keeps odd and long keys apart', async (subject) => {
      const held: { release(): unknown }[] = [];
      for (const key of fit(subject)) {
        await refusalOr(async () => {
          const own = subject.mutex(key);
          assert.strictEqual(await own.acquire({ wait: 0 }), true, `acquire() of ${shown(key)}`);
          held.push(own);
        }, key);
      }
      for (const own of held) assert.strictEqual(await own.release(), true);
    });
  }

  const { maxValueBytes } = options;
  if (maxValueBytes !== undefined) {
    refusals('is too large', 'ERR_STOCKPILE_VALUE_TOO_LARGE', () => Buffer.alloc(2 * maxValueBytes, 'large '));
  }
  if (options.stores === 'bytes') {
    refusals('cannot be serialised', 'ERR_STOCKPILE_SERIALIZATION', () => ({ method: () => {} }));
  }

  function refusals(what: string, code: string, make: () => unknown): void {
    test(`set() refuses a value that ${what}; the old value stays`, async (subject) => {
      await subject.put('key', 'old');
      const refused = (): unknown => subject.backend.set('key', subject.item(make()), FOREVER);
      await assertFails(refused, code, 'set()');
      assertSame(await subject.read('key'), 'old');
    });

    test(`setMulti() refuses a value that ${what}, names its key and stores the others`, async (subject) => {
      await subject.put('b', 'old');
      const items = subject.items({ a: 1, b: make(), c: 3 });
      const error = await assertFails(() => subject.backend.setMulti(items, FOREVER), code, 'setMulti()');
      assertSame(error.keys, ['b']);
      assertSame(await subject.readMulti(['a', 'b', 'c']), [1, 'old', 3]);
    });
  }
}

/** The odd keys as a region would hand them over. */
function fit({ backend }: Subject): string[] {
  return ODD_KEYS.map((key) => backend.keyMangler?.(key) ?? key);
}

/** Sets every odd key that the driver takes, to its index. */
async function takeOddKeys(subject: Subject): Promise<Map<string, number>> {
  const taken = new Map<string, number>();
  for (const [index, key] of fit(subject).entries()) {
    await refusalOr(async () => {
      await subject.put(key, index);
      taken.set(key, index);
    }, key);
  }
  assert.ok(taken.size > 0, 'every key was refused');
  return taken;
}
