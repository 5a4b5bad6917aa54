/** What memjs 1.3.2 does wrong, each by its number in the list that was measured, and that none of it reaches a user. */

import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { NO_VALUE } from '@stockpile/core';
import { FaultProxy, type RunningServer } from '@stockpile/servers';
import { Call } from '../src/call.js';
import { Connection } from '../src/connection.js';
import { memjs } from '../src/memjs.js';
import { open, start, urlOf } from './helpers.js';
import { bytesOf, counterOf, failsInTime, inTime, recovery, TIMEOUT, textIn } from './outcomes.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
const KEY = 'users:a';
let server: RunningServer;
let proxy: FaultProxy;

beforeAll(async () => {
  server = await start();
  proxy = await FaultProxy.open(server);
});
afterEach(() => proxy.heal());
afterAll(() => proxy.close());

async function working(through: { readonly port: number } = proxy): Promise<ReturnType<typeof open>> {
  const driver = open({ url: `127.0.0.1:${through.port}` }, { timeout: TIMEOUT });
  await driver.set(KEY, bytesOf(KEY), FOREVER);
  return driver;
}

test('1: the server closes with a call in flight: the call fails, it does not hang', async () => {
  const driver = await working();
  await proxy.fault('fin');
  const start_ = performance.now();
  await failsInTime('get', () => driver.get(KEY));
  expect(performance.now() - start_).toBeLessThan(TIMEOUT / 2); // by the loss, not by the deadline
});

test('2: keys of no or more than 250 bytes are never sent, and the next call works', async () => {
  const driver = await working();
  const keys = [
    ':',
    'users:',
    `users:${'k'.repeat(251)}`,
    `users:${'ü'.repeat(130)}`,
    'k'.repeat(60_000),
    'n'.repeat(300).concat(':k'),
  ];
  for (const key of keys) {
    expect(await driver.set(key, bytesOf(key), FOREVER)).toBe(true);
    expect(textIn(await driver.get(key))).toBe(key);
  }
  expect((await driver.getMulti(keys)).map(textIn)).toEqual(keys);
  expect(await driver.deleteMulti(keys)).toBe(keys.length);
  expect(textIn(await driver.get(KEY))).toBe(KEY);
});

test('3: half a reply before the connection is lost does not spoil what comes on the next one', async () => {
  const driver = await working();
  await proxy.fault('finAfterHalf');
  await failsInTime('get', () => driver.get(KEY));
  await proxy.heal();
  await recovery(driver);
  expect(textIn(await driver.get(KEY))).toBe(KEY);
});

test('4: the number of calls may pass 2^31: opaques begin again', () => {
  class Numbered extends Call {
    override readonly count = 0x3fff_ffff;
    override write = (): true => true;
    override take = (): true => true;
    override finish = (): void => {};
  }
  const socket = { setNoDelay() {}, on() {}, ref() {}, writableLength: 0, write() {} };
  const owner = { answered() {}, completed() {}, lost() {} };
  const connection = new Connection(socket as never, 'server', owner);
  const calls = Array.from({ length: 5 }, () => new Numbered(() => {}));
  for (const call of calls) connection.send(call);
  expect(calls.map(({ opaque }) => opaque)).toEqual([1, 0x4000_0000, 1, 0x4000_0000, 1]);
});

test('5: a server that drips a byte now and then does not keep a call pending', async () => {
  const driver = await working();
  await proxy.fault('drip');
  await failsInTime('get', () => driver.get(KEY));
});

test.each(['garbage', 'badLengths'] as const)(
  '6: %s: the connection is dropped, and the next one works',
  async (fault) => {
    const driver = await working();
    await proxy.fault(fault);
    await failsInTime('get', () => driver.get(KEY));
    await proxy.heal();
    await recovery(driver);
    expect(textIn(await driver.get(KEY))).toBe(KEY);
  },
);

test('7: bytes that cannot be decoded are a miss, and leave nothing behind', async () => {
  const driver = await working(server);
  const raw = new memjs.Client([new memjs.Server(server.host, server.port)], { retries: 1 });
  const { value } = await raw.get('users:@');
  const physical = `users:${value}.a`;
  expect((await raw.get(physical)).value).not.toBeNull();
  await raw.set(physical, 'of another client', {});
  expect(await driver.get(KEY)).toBe(NO_VALUE);
  expect(await driver.getMulti([KEY])).toEqual([NO_VALUE]);
  expect(await driver.compareAndSet(KEY, bytesOf('x'), bytesOf('y'), FOREVER)).toBe(false);
  expect(await driver.increment(KEY, 1, counterOf(5), FOREVER)).toBe(5);
  raw.close();
});

test('8: a black hole costs one timeout, not two and a pause; the next calls cost nothing', async () => {
  const driver = await working();
  await proxy.fault('blackHole');
  await failsInTime('get', () => driver.get(KEY));
  const start_ = performance.now();
  await failsInTime('get', () => driver.get(KEY));
  expect(performance.now() - start_).toBeLessThan(TIMEOUT / 2);
});

test('9: what an old connection still says does not reach the calls of the next one', async () => {
  const driver = await working();
  await proxy.fault('halfAnswer'); // held, and delivered when it heals
  await failsInTime('get', () => driver.get(KEY));
  const reconnected = recovery(driver);
  await proxy.heal();
  await reconnected;
  const keys = Array.from({ length: 50 }, (_, i) => `users:${i}`);
  await driver.setMulti(new Map(keys.map((key) => [key, bytesOf(key)])), FOREVER);
  expect((await Promise.all(keys.map((key) => driver.get(key)))).map(textIn)).toEqual(keys);
});

test('10: counters go beyond 2^32, below zero and by fractions, exactly', async () => {
  const driver = await working(server);
  const add = (by: number): Promise<number> => driver.increment('users:n', by, counterOf(by), FOREVER);
  expect(await add(4_294_967_295)).toBe(4_294_967_295);
  expect(await add(5)).toBe(4_294_967_300);
  expect(await add(2 ** 53 - 4_294_967_301)).toBe(2 ** 53 - 1);
  expect(await add(-(2 ** 53))).toBe(-1);
  expect(await add(0.5)).toBe(-0.5);
});

test('11: a ttl below a second, and one above 30 days, keep the entry', async () => {
  const driver = await working(server);
  for (const ttl of [0.4, 500, 31 * 86_400_000, 400 * 86_400_000, 1e15, Number.POSITIVE_INFINITY]) {
    await driver.set('users:ttl', bytesOf(String(ttl)), { ttl });
    // within the second that is running, memcached may end the shortest ones
    if (ttl > 1000) expect([ttl, textIn(await driver.get('users:ttl'))]).toEqual([ttl, String(ttl)]);
  }
});

test('12: nothing is printed, and every failure is a typed error', async () => {
  const printed = (['log', 'warn', 'error', 'info'] as const).map((name) => jest.spyOn(console, name));
  const warnings: unknown[] = [];
  const onWarning = (warning: unknown): void => void warnings.push(warning);
  process.on('warning', onWarning);
  const driver = await working();
  await proxy.fault('refuse');
  for (let i = 0; i < 3; i++) await failsInTime('get', () => driver.get(KEY));
  await driver.close();
  for (const spy of printed) {
    expect(spy).not.toHaveBeenCalled();
    spy.mockRestore();
  }
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});

test('13: after close() calls are refused at once, and nothing connects again', async () => {
  const driver = await working();
  const before = proxy.accepted;
  const closing = driver.close();
  await expect(driver.get(KEY)).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  await closing;
  await expect(driver.get(KEY)).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  expect(proxy.accepted).toBe(before);
});

test('14: large values come whole, among small ones, in whatever pieces', async () => {
  const driver = await working();
  const large = Uint8Array.from({ length: 1_000_000 }, (_, i) => i % 251);
  await driver.set('users:large', large.slice(), FOREVER);
  const found = await Promise.all(['users:a', 'users:large', 'users:a', 'users:large'].map((key) => driver.get(key)));
  expect([0, 2].map((i) => textIn(found[i]))).toEqual([KEY, KEY]);
  for (const i of [1, 3]) expect(Buffer.from(found[i] as Uint8Array).equals(large)).toBe(true);
});

test('15: IPv6 and unix sockets work', async () => {
  for (const options of [{ ipv6: true }, { unix: true }]) {
    const driver = open({ url: urlOf(await start(options)) });
    await driver.set(KEY, bytesOf(KEY), FOREVER);
    expect(textIn(await driver.get(KEY))).toBe(KEY);
  }
});

test('15: a password may hold @, : and /; a wrong one is a typed error that does not show it', async () => {
  const password = 'p@ss:w/rd, 100%';
  const sasl = await start({ sasl: { user: 'ada', password } });
  const { host, port } = sasl;
  const driver = open({ url: `memcached://ada:${encodeURIComponent(password)}@${host}:${port}` });
  await driver.set(KEY, bytesOf(KEY), FOREVER);
  expect(textIn(await driver.get(KEY))).toBe(KEY);
  expect(JSON.stringify(driver.servers())).not.toContain('p@ss');
  await sasl.restart();
  await recovery(driver); // each connection says again who it is
  await driver.set(KEY, bytesOf(KEY), FOREVER);
  const apart = open({ url: `${host}:${port}`, username: 'ada', password });
  expect(textIn(await apart.get(KEY))).toBe(KEY);
  for (const wrong of [open({ url: `${host}:${port}` }), open({ url: `memcached://ada:wr0ng@${host}:${port}` })]) {
    const outcome = await inTime('get', () => wrong.get(KEY));
    if (outcome.status === 'fulfilled') throw new Error('it must fail');
    expect(outcome.reason).toMatchObject({
      code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE',
      message: expect.stringMatching(/password/),
    });
    expect(outcome.reason.message).not.toContain('wr0ng');
  }
});

test("15: memjs's environment variables are nobody's credentials", async () => {
  process.env.MEMCACHIER_USERNAME = 'somebody';
  process.env.MEMCACHIER_PASSWORD = 'secret';
  try {
    expect(textIn(await (await working(server)).get(KEY))).toBe(KEY);
  } finally {
    delete process.env.MEMCACHIER_USERNAME;
    delete process.env.MEMCACHIER_PASSWORD;
  }
});

test('16: with one server, or all of them, down the error says which and why, not "No servers available"', async () => {
  await proxy.fault('refuse');
  const driver = open({ url: `127.0.0.1:${proxy.port}`, failover: true }, { timeout: TIMEOUT });
  const error = await failsInTime('get', () => driver.get(KEY));
  expect(error.message).toContain(`127.0.0.1:${proxy.port}`);
  expect(error.message).toContain('ECONNREFUSED');
});
