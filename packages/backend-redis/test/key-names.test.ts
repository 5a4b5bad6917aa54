/** Names and slots. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RunningServer, startRedis } from '@stockpile/servers';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { clusterLockKey, fitKey, isLockKey, lockKey } from '../src/key-names.js';
import { slotOf } from '../src/slots.js';

let server: RunningServer;
let redis: Redis;
beforeAll(async () => {
  server = await startRedis({ args: ['--cluster-enabled', 'yes'] });
  redis = new Redis(server.port);
});
afterAll(async () => {
  redis.disconnect();
  await server.stop();
});

/** Keys with many braces. */
const keys = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1 }),
  fc.array(fc.constantFrom('{', '}', 'a', 'b:', 'ü'), { minLength: 1 }).map((parts) => parts.join('')),
);

test('slots are those of the server', async () => {
  await fc.assert(
    fc.asyncProperty(keys, async (key) => {
      expect(slotOf(key)).toBe(await redis.cluster('KEYSLOT', key));
    }),
  );
});

test('the lock of a key begins with it, is in its slot, and belongs to no other key', () => {
  fc.assert(
    fc.property(keys, keys, (key, other) => {
      for (const nameOf of [lockKey, clusterLockKey]) {
        expect(nameOf(key).startsWith(key)).toBe(true);
        expect(isLockKey(nameOf(key))).toBe(true);
        if (key !== other) expect(nameOf(key)).not.toBe(nameOf(other));
      }
      expect(slotOf(clusterLockKey(key))).toBe(slotOf(key));
    }),
  );
});

test('a key that looks like a lock is hashed within its namespace', () => {
  expect(fitKey('users:7')).toBe('users:7');
  expect(fitKey(lockKey('users:7'))).toMatch(/^users:[\w-]{43}$/);
});
