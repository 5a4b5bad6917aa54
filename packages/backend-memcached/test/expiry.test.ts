/** ttls as memcached counts them: a second more than asked for, since its first one may be short. */

import { expect, test } from '@jest/globals';
import { NO_VALUE } from '@stockpile/core';
import { expirySeconds, expirySecondsUntil, NEVER } from '../src/expiry.js';
import { open, start, urlOf } from './helpers.js';
import { bytesOf } from './outcomes.js';

const DAY = 86_400_000;
const NOW = 1_800_000_000_500;

test.each([
  [0.001, 2],
  [1, 2],
  [1000, 2],
  [1001, 3],
  [30 * DAY - 1000, 2_592_000],
])('%d ms are %i s', (ttl, seconds) => {
  expect(expirySeconds(ttl, NOW)).toBe(seconds);
});

test('above 30 days it is the Unix time, which memcached would else take the seconds for', () => {
  expect(expirySeconds(30 * DAY, NOW)).toBe(1_800_000_001 + 2_592_001);
  expect(expirySeconds(31 * DAY, NOW)).toBe(1_800_000_001 + 31 * 86_400 + 1);
});

test('Infinity, and what is beyond the 32 bits of the field, never ends', () => {
  for (const ttl of [Number.POSITIVE_INFINITY, 1e15, 1e300]) {
    expect([expirySeconds(ttl, NOW), expirySecondsUntil(NOW + ttl, NOW)]).toEqual([NEVER, NEVER]);
  }
});

test('what is left until an end; what is past is gone at once', () => {
  expect(expirySecondsUntil(NOW + 400, NOW)).toBe(2);
  expect(expirySecondsUntil(NOW + 30_000, NOW)).toBe(31);
  const expiry = expirySecondsUntil(NOW, NOW);
  expect(expiry).toBeGreaterThan(2_592_000); // Unix time
  expect(expiry).toBeLessThan(1_000_000_000); // long ago
});

test('an entry is there for its whole ttl, and gone after it, to the millisecond', async () => {
  const driver = open({ url: urlOf(await start()) });
  await driver.get('users:a');
  for (let i = 0; i < 10; i++) {
    const set = Date.now();
    await driver.set('users:a', bytesOf('a'), { ttl: 300 });
    const stored = Date.now();
    for (let found: unknown; found !== NO_VALUE; ) {
      const asked = Date.now();
      found = await driver.get('users:a');
      if (found === NO_VALUE) expect(Date.now() - set).toBeGreaterThanOrEqual(300);
      else expect(asked - stored).toBeLessThan(300);
    }
    // memcached still has it: to compareAndSet and increment it is absent all the same
    expect(await driver.compareAndSet('users:a', NO_VALUE, bytesOf('b'), { ttl: 1 })).toBe(true);
  }
});
