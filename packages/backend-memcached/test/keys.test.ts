/** The keys that memcached sees. */

import { describe, expect, test } from '@jest/globals';
import { NO_VALUE } from '@stockpile/core';
import fc from 'fast-check';
import { memjs } from '../src/memjs.js';
import { entryName, generationKey, lockName, Namespaces, physicalNamespace } from '../src/physical-key.js';
import { open, start, urlOf } from './helpers.js';
import { bytesOf, textIn } from './outcomes.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
const WORD = 'AbCdEfGhIjKl';

/** Every key that is made for a stored one. */
function physical(stored: string): string[] {
  const namespace = new Namespaces().of(stored);
  const name = entryName(stored, namespace);
  const entry = `${namespace.prefix}${WORD}`;
  return [entry + name, entry + lockName(name), generationKey(namespace)];
}

// namespaces, separators, marks and words of our own, so that kinds would meet if they could
const part = fc.constantFrom(
  '',
  ':',
  '@',
  '.',
  '#',
  '!',
  'a',
  'users',
  WORD,
  ' ',
  '\n',
  '\0',
  'ü',
  '😀',
  'k'.repeat(130),
  'ü'.repeat(70),
  '~',
);
const storedKey = fc
  .array(part, { minLength: 1, maxLength: 7 })
  .map((parts) => parts.join(''))
  .filter((key) => key !== '');

describe('physical keys', () => {
  test('have 1 to 250 bytes, no blanks and no control characters', () => {
    fc.assert(
      fc.property(fc.oneof(storedKey, fc.string({ minLength: 1, maxLength: 400, unit: 'grapheme' })), (stored) => {
        for (const key of physical(stored)) {
          expect(Buffer.byteLength(key)).toBeGreaterThanOrEqual(1);
          expect(Buffer.byteLength(key)).toBeLessThanOrEqual(250);
          expect([...key].every((letter) => letter > ' ' && letter !== '\x7f')).toBe(true);
        }
      }),
    );
  });

  test('of two stored keys never meet: entries, locks, and the words of namespaces', () => {
    fc.assert(
      fc.property(storedKey, storedKey, (a, b) => {
        fc.pre(a !== b);
        const [entryA, lockA, wordA] = physical(a);
        const [entryB, lockB, wordB] = physical(b);
        expect(new Set([entryA, lockA, entryB, lockB]).size).toBe(4);
        for (const key of [entryA, lockA, entryB, lockB]) expect([wordA, wordB]).not.toContain(key);
      }),
      { numRuns: 2000 },
    );
  });

  test('keep what can be read', () => {
    expect(physical('users:ada')[0]).toBe(`users:${WORD}.ada`);
    expect(physical(`users:ada lovelace, ${'k'.repeat(300)}`)[0]).toMatch(
      /^users:AbCdEfGhIjKl#ada_lovelace,_k+-[\w-]{43}$/,
    );
    expect(physicalNamespace('users:').prefix).toBe('users:');
  });
});

test('a hashed key whose place holds another key is a miss, never that value', async () => {
  const server = await start();
  const driver = open({ url: urlOf(server) });
  const keys = ['users:a b', 'users:c d'] as const;
  for (const key of keys) await driver.set(key, bytesOf(key), FOREVER);
  const raw = new memjs.Client([new memjs.Server(server.host, server.port)], { retries: 1 });
  const word = String((await raw.get('users:@')).value);
  const places = keys.map((key) => `users:${word}${entryName(key, physicalNamespace('users:'))}`);
  const { value } = await raw.get(places[1] as string);
  expect(String(value)).toContain('users:c d');
  // as if both keys had the same hash: flags and value of the second at the place of the first
  await raw.delete(places[0] as string);
  const second = open({ url: urlOf(server) });
  const copying = new memjs.Client([new memjs.Server(server.host, server.port)], {
    retries: 1,
    serializer: {
      serialize: (_opcode: number, data: Buffer, extras: Buffer) => {
        extras.writeUInt32BE(0x5350_0002, 0);
        return { value: data, extras };
      },
      deserialize: (_opcode: number, data: Buffer, extras: Buffer) => ({ value: data, extras }),
    },
  });
  await copying.set(places[0] as string, value as Buffer, {});
  expect(textIn(await second.get(keys[1]))).toBe(keys[1]);
  expect(await second.get(keys[0])).toBe(NO_VALUE);
  expect((await second.getMulti(keys)).map((found) => found === NO_VALUE)).toEqual([true, false]);
  expect(await second.compareAndSet(keys[0], bytesOf(keys[1]), bytesOf('x'), FOREVER)).toBe(false);
  await second.set(keys[0], bytesOf(keys[0]), FOREVER);
  expect(textIn(await second.get(keys[0]))).toBe(keys[0]);
  raw.close();
  copying.close();
});

test('keys without a namespace work, however many first parts they have', async () => {
  const driver = open({ url: urlOf(await start()) });
  const keys = Array.from({ length: 1500 }, (_, i) => `${i}:profile`);
  await driver.setMulti(new Map(keys.map((key) => [key, bytesOf(key)])), FOREVER);
  expect((await driver.getMulti(keys)).map(textIn)).toEqual(keys);
});
