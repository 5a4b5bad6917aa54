/** One damaged reply costs the connection at most: no entry, no counter, and nobody gets another key's value. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { NO_VALUE } from '@stockpile/core';
import { FaultProxy, type RunningServer } from '@stockpile/servers';
import type { MemcachedBackend } from '../src/index.js';
import { memjs } from '../src/memjs.js';
import { OP, STATUS } from '../src/opcodes.js';
import { open, start, urlOf } from './helpers.js';
import { bytesOf, counterOf, recovery, settlesInTime, TIMEOUT, textIn } from './outcomes.js';
import { type Change, ReplyProxy } from './reply-proxy.js';

const FOREVER = { ttl: Number.POSITIVE_INFINITY };
/** Replies that follow one another, each damaged once. */
const REPLIES = 30;

let server: RunningServer;
let proxy: ReplyProxy;
beforeAll(async () => {
  server = await start();
  proxy = await ReplyProxy.open(server);
});
afterAll(() => proxy.close());

function spoilt(at: number, bytes: 1 | 2 | 4, to: (was: number) => number): Change {
  return (reply) => {
    reply.writeUIntBE(to(reply.readUIntBE(at, bytes)) % 2 ** (8 * bytes), at, bytes);
    return [reply];
  };
}

const flip = (was: number): number => (was === 0 ? 1 : 0);
const lastByte: Change = (reply) => {
  if (reply.length > 24) reply[reply.length - 1] = 0x41 + ((reply.at(-1) as number) % 8);
  return [reply];
};
const DAMAGES: Readonly<Record<string, Change>> = {
  'another first byte': spoilt(0, 1, (was) => was ^ 1),
  'another command': spoilt(1, 1, (was) => was + 1),
  'a longer key': spoilt(2, 2, (was) => was + 1),
  'more extras': spoilt(4, 1, (was) => was + 1),
  'other extras': spoilt(4, 1, (was) => (was === 0 ? 4 : 0)),
  // without a body only the status tells success from failure: nothing shows that it is wrong
  'another status': (reply) => (reply.length > 24 ? spoilt(6, 2, flip)(reply) : [reply]),
  'a status that nobody knows': spoilt(6, 2, () => 0x7777),
  'a shorter body': spoilt(8, 4, (was) => Math.max(0, was - 1)),
  'a body without its value': spoilt(8, 4, (was) => Math.min(was, 4)),
  'a longer body': spoilt(8, 4, (was) => was + 1),
  'a much longer body': spoilt(8, 4, (was) => was + 90),
  'an endless body': spoilt(8, 4, () => 0x7fff_fff0),
  'another opaque': spoilt(12, 4, (was) => was + 1),
  'an earlier opaque': spoilt(12, 4, (was) => was + 2 ** 32 - 1),
  'other flags': (reply) => (reply[4] === 4 ? spoilt(24, 4, (was) => was + 1)(reply) : [reply]),
  'the reply left out': () => [],
  'the reply twice': (reply) => [reply, reply],
};

/** Everything at once and in some order; keys that exist keep their values. */
async function traffic(driver: MemcachedBackend, namespace: string, keys: readonly string[]): Promise<unknown[]> {
  const found: unknown[] = [];
  const mutex = driver.getMutex(`${namespace}:locked`);
  const reads = keys.map((key) =>
    settlesInTime('get', async () => {
      found.push([key, await driver.get(key)]);
    }),
  );
  await Promise.all([
    ...reads,
    settlesInTime('getMulti', async () => {
      for (const [i, value] of (await driver.getMulti(keys)).entries()) found.push([keys[i], value]);
    }),
    settlesInTime('set', () => driver.set(keys[0] as string, bytesOf(keys[0] as string), FOREVER)),
    settlesInTime('setMulti', () =>
      driver.setMulti(new Map([[keys[1] as string, bytesOf(keys[1] as string)]]), FOREVER),
    ),
    settlesInTime('delete', () => driver.delete(`${namespace}:gone`)),
    settlesInTime('deleteMulti', () => driver.deleteMulti([`${namespace}:gone`, `${namespace}:away`])),
    settlesInTime('lock', () => mutex.acquire({ wait: 0 })),
    ...keys.map((key) =>
      settlesInTime('get', async () => {
        found.push([key, await driver.get(key)]);
      }),
    ),
  ]);
  return found;
}

describe.each(Object.entries(DAMAGES))('%s', (what, damage) => {
  test('in whichever reply: own values only, all entries and counters stay', async () => {
    const direct = open({ url: urlOf(server) });
    const replies = Array.from({ length: REPLIES }, (_, nth) => nth);
    await Promise.all(replies.map((nth) => damageOne(direct, nth, `${what.replaceAll(' ', '-')}${nth}`, damage)));
  });
});

/** A driver meets one damaged reply, the `nth`; `direct` sees what has become of the namespace. */
async function damageOne(direct: MemcachedBackend, nth: number, namespace: string, damage: Change): Promise<void> {
  const own = await ReplyProxy.open(server);
  const keys = Array.from({ length: 5 }, (_, i) => `${namespace}:key ${i}`.replace(' ', i % 2 === 0 ? '' : ' '));
  const counter = `${namespace}:counter`;
  await direct.setMulti(new Map(keys.map((key) => [key, bytesOf(key)])), FOREVER);
  await direct.increment(counter, 1, counterOf(1000), FOREVER);
  const driver = open({ url: own.url }, { timeout: TIMEOUT });
  if (nth > 0) await driver.get(keys[0] as string); // else the handshake is damaged
  let left = nth;
  own.change = (reply) => (left-- === 0 ? damage(reply) : [reply]);
  let acknowledged = 0;
  const increments = settlesInTime('increment', async () => {
    await driver.increment(counter, 1, counterOf(1), FOREVER);
    acknowledged++;
  });
  const found = (await traffic(driver, namespace, keys)) as [string, Uint8Array | typeof NO_VALUE][];
  await increments;
  own.change = (reply) => [reply];
  for (const [key, value] of found) if (value !== NO_VALUE) expect(textIn(value)).toBe(key);
  expect((await direct.getMulti(keys)).map((each) => each !== NO_VALUE && textIn(each))).toEqual(keys);
  const sum = await direct.increment(counter, 0, counterOf(0), FOREVER);
  expect([1000 + acknowledged, 1001]).toContain(sum);
  await recovery(driver);
  expect((await driver.getMulti(keys)).map((each) => each !== NO_VALUE && textIn(each))).toEqual(keys);
  await driver.close();
  await own.close();
}

test('a generation of which a letter is damaged is not believed', async () => {
  const direct = open({ url: urlOf(server) });
  const driver = open({ url: proxy.url }, { timeout: TIMEOUT });
  await direct.set('letter:a', bytesOf('a'), FOREVER);
  await driver.get('letter:a');
  let first = true;
  proxy.change = (reply) => {
    const damage = first;
    first = false;
    return damage ? lastByte(reply) : [reply];
  };
  await expect(driver.get('letter:a')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  expect(textIn(await driver.get('letter:a'))).toBe('a');
});

test('wrong lengths for a while, on many connections: own values only, and every entry stays', async () => {
  for (let seed = 1; seed <= 12; seed++) {
    const faulty = await FaultProxy.open(server, { seed });
    const direct = open({ url: urlOf(server) });
    const driver = open({ url: `127.0.0.1:${faulty.port}` }, { timeout: TIMEOUT });
    const namespace = `lengths${seed}`;
    const keys = Array.from({ length: 5 }, (_, i) => `${namespace}:${i}`);
    await driver.setMulti(new Map(keys.map((key) => [key, bytesOf(key)])), FOREVER);
    for (let round = 0; round < 3; round++) {
      await faulty.fault('badLengths');
      for (const [key, value] of (await traffic(driver, namespace, keys)) as [string, Uint8Array][]) {
        if ((value as unknown) !== NO_VALUE) expect(textIn(value)).toBe(key);
      }
      await faulty.heal();
      await recovery(driver);
    }
    expect((await direct.getMulti(keys)).map((each) => each !== NO_VALUE && textIn(each))).toEqual(keys);
    await driver.close();
    await faulty.close();
  }
});

test('something else in the place of a generation: believed when a second connection tells the same', async () => {
  const driver = open({ url: urlOf(server) });
  await driver.set('foreign:a', bytesOf('old'), FOREVER);
  const raw = new memjs.Client([new memjs.Server(server.host, server.port)], { retries: 1 });
  await raw.set('foreign:@', 'of another program', {});
  raw.close();
  await expect(driver.get('foreign:a')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  expect(await driver.get('foreign:a')).toBe(NO_VALUE);
  await driver.set('foreign:a', bytesOf('new'), FOREVER);
  expect(textIn(await driver.get('foreign:a'))).toBe('new');
});

test('a server that has a generation and has none is asked a few times, not for ever', async () => {
  const driver = open({ url: proxy.url }, { timeout: TIMEOUT });
  await driver.set('loop:a', bytesOf('a'), FOREVER);
  let replies = 0;
  proxy.change = (reply) => {
    replies++;
    const status = { [OP.get]: STATUS.notFound, [OP.add]: STATUS.exists }[reply[1] as number];
    return [status === undefined ? reply : failure(reply, status)];
  };
  await expect(driver.get('loop:a')).rejects.toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
  expect(replies).toBeLessThan(50);
  proxy.change = (reply) => [reply];
  expect(textIn(await driver.get('loop:a'))).toBe('a');
});

function failure(reply: Buffer, status: number): Buffer {
  const changed = Buffer.concat([reply.subarray(0, 24), Buffer.from('No')]);
  changed.fill(0, 2, 6);
  changed.writeUInt16BE(status, 6);
  changed.writeUInt32BE(2, 8);
  return changed;
}
