/** Values come back as the types they went in. */

import assert from 'node:assert/strict';
import { NO_VALUE } from '@stockpile/core';
import { FOREVER, type Kit } from './kit.js';
import { assertSame } from './same.js';

const VALUES: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  null: () => null,
  true: () => true,
  false: () => false,
  zero: () => 0,
  'minus zero': () => -0,
  'a fraction': () => -1234.5678,
  'a large number': () => Number.MAX_VALUE,
  NaN: () => Number.NaN,
  Infinity: () => Number.NEGATIVE_INFINITY,
  'a BigInt': () => -(2n ** 70n),
  'an empty text': () => '',
  'a text': () => 'text',
  'a text that looks like a number': () => '007',
  'a text of all scripts': () => 'Grüße, 你好, مرحبا, 😀\0\r\n',
  'a text with a lone surrogate': () => 'a\ud800b',
  'an array': () => [1, 'two', [null, undefined]],
  'an object': () => ({ a: 1, nested: { b: [true], c: undefined }, '': 1 }),
  'an empty object': () => ({}),
  'a Date': () => new Date(1_234_567_890_123),
  'a RegExp': () => /a+\/b/giu,
  'a Map': () =>
    new Map<unknown, unknown>([
      [{ key: 1 }, new Date(0)],
      ['b', new Map()],
    ]),
  'a Set': () => new Set([1, 'a', Number.NaN]),
  'a Buffer': () => Buffer.from([0, 255, 10, 13]),
  'empty bytes': () => new Uint8Array(),
  'a Uint8Array': () => Uint8Array.of(0, 1, 254, 255),
  'a Float64Array': () => Float64Array.of(1.5, -0, Number.NaN),
  'an ArrayBuffer': () => Uint8Array.of(1, 2, 3).buffer,
  'bytes within an object': () => ({ bytes: Uint8Array.of(1, 2, 3), more: Buffer.from('more') }),
  'an Error': () => new TypeError('a message'),
};

export function serialisation({ test, options }: Kit): void {
  for (const [what, make] of Object.entries(VALUES)) {
    test(`get() gives back ${what}`, async (subject) => {
      await subject.put('key', make());
      assertSame(await subject.read('key'), make());
      assertSame(await subject.readMulti(['key', 'key']), [make(), make()]);
    });
  }

  test('get() gives back an object that contains itself', async (subject) => {
    const cycle: { name: string; self?: unknown } = { name: 'cycle' };
    cycle.self = cycle;
    await subject.put('key', cycle);
    const found = (await subject.read('key')) as typeof cycle;
    assert.strictEqual(found.name, 'cycle');
    assert.strictEqual(found.self, found);
  });

  if (options.stores === 'bytes') copies({ test });
}

/** What a storage of bytes gives out is a copy. */
function copies({ test }: Pick<Kit, 'test'>): void {
  test('set() stores what the value is now, not what becomes of it', async (subject) => {
    const value = { list: [1], bytes: Uint8Array.of(1) };
    await subject.put('key', value);
    value.list.push(2);
    value.bytes[0] = 2;
    assertSame(await subject.read('key'), { list: [1], bytes: Uint8Array.of(1) });
  });

  for (const what of ['an object', 'a Buffer', 'a Uint8Array', 'bytes within an object']) {
    test(`get() gives out a copy of ${what}: changing it leaves the stored value`, async (subject) => {
      const make = VALUES[what] as () => unknown;
      await subject.put('key', make());
      for (const found of [await subject.read('key'), ...(await subject.readMulti(['key']))]) deface(found);
      assertSame(await subject.read('key'), make());
    });
  }

  test('get() of the driver gives out bytes that later reads and writes leave alone', async ({ driver }) => {
    assert.ok(driver.stores === 'bytes');
    await driver.set('key', Buffer.from('first'), FOREVER);
    await driver.set('other', Buffer.from('other'), FOREVER);
    const found = await driver.get('key');
    assert.ok(found !== NO_VALUE);
    await driver.get('other');
    await driver.set('key', Buffer.from('later'), FOREVER);
    assert.strictEqual(Buffer.from(found).toString(), 'first'); // compareAndSet compares with them
  });

  test('get() of the driver gives back exactly the bytes that were set', async ({ driver }) => {
    assert.ok(driver.stores === 'bytes');
    const samples = [Buffer.alloc(0), Buffer.from('\0text\r\n'), Buffer.from(Array.from({ length: 256 }, (_, i) => i))];
    for (const bytes of samples) {
      await driver.set('key', bytes, FOREVER);
      const found = await driver.get('key');
      assert.ok(found !== NO_VALUE && found instanceof Uint8Array, 'a Uint8Array is expected');
      assert.ok(bytes.equals(found), `${bytes.length} bytes came back as ${found.length}, or as others`);
    }
  });
}

/** Changes whatever can be changed in `value`. */
function deface(value: unknown): void {
  if (ArrayBuffer.isView(value)) new Uint8Array(value.buffer, value.byteOffset, value.byteLength).fill(99);
  else if (typeof value === 'object' && value !== null) {
    for (const [name, part] of Object.entries(value)) {
      deface(part);
      if (typeof part !== 'object') Object.assign(value, { [name]: 'defaced' });
    }
  }
}
