/** Sizes of values: what each server takes is asked of it, and what is too large is never sent. */

import { expect, test } from '@jest/globals';
import { open, start, urlOf } from './helpers.js';
import { bytesOf, failsInTime, inTime, textIn } from './outcomes.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
/** Of our own beside each value, and what is left to memcached and the key. */
const BESIDE = 12 + 512;

test.each([
  ['512k', 2 ** 19],
  ['1m', 2 ** 20],
  ['4m', 4 * 2 ** 20],
])('with -I %s the largest value fits, one byte more is refused, and the old value stays', async (size, bytes) => {
  const server = await start({ args: ['-I', size, '-m', '128'] });
  const driver = open({ url: urlOf(server) });
  const key = `users:${'k'.repeat(200)}`;
  for (const [name, length] of [
    ['largest', bytes - BESIDE],
    ['empty', 0],
  ] as const) {
    const value = new Uint8Array(length).fill(7);
    expect([name, await driver.set(key, value.slice(), FOREVER)]).toEqual([name, true]);
    expect(Buffer.from((await driver.get(key)) as Uint8Array).equals(value)).toBe(true);
  }
  await driver.set(key, bytesOf('old'), FOREVER);
  const large = (): Uint8Array => new Uint8Array(bytes - BESIDE + 1);
  const tooLarge = { code: 'ERR_STOCKPILE_VALUE_TOO_LARGE' };
  await expect(driver.set(key, large(), FOREVER)).rejects.toMatchObject(tooLarge);
  await expect(driver.compareAndSet(key, bytesOf('old'), large(), FOREVER)).rejects.toMatchObject(tooLarge);
  const items = new Map([
    [key, large()],
    ['users:b', bytesOf('b')],
  ]);
  await expect(driver.setMulti(items, FOREVER)).rejects.toMatchObject({ ...tooLarge, keys: [key] });
  expect((await driver.getMulti([key, 'users:b'])).map(textIn)).toEqual(['old', 'b']);
});

test('maxValueBytes is a limit of our own, below that of the server', async () => {
  const driver = open({ url: urlOf(await start()), maxValueBytes: '1K' });
  await driver.set('users:a', new Uint8Array(1024), FOREVER);
  const works: readonly (() => Promise<unknown>)[] = [
    () => driver.set('users:a', new Uint8Array(1025), FOREVER),
    () => driver.setMulti(new Map([['users:a', new Uint8Array(1025)]]), FOREVER),
  ];
  for (const work of works) {
    const outcome = await inTime('set', work);
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ERR_STOCKPILE_VALUE_TOO_LARGE' } });
    expect(outcome).toMatchObject({ reason: { message: expect.stringMatching(/1025.*1024.*maxValueBytes/) } });
  }
  expect(((await driver.get('users:a')) as Uint8Array).length).toBe(1024);
});

test('a server without CAS (-C) is refused with the remedy', async () => {
  const driver = open({ url: urlOf(await start({ args: ['-C'] })) });
  expect((await failsInTime('get', () => driver.get('users:a'))).message).toContain('leave out -C');
});
