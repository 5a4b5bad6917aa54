/** Damaged replies: none is answered with what was meant for another, and nothing is thrown where nobody can catch it. */

import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { RedisBackend } from '@stockpile/backend-redis';
import { NO_VALUE } from '@stockpile/core';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { type Reply, ReplyParser } from '../src/resp.js';
import { FOREVER, watch } from './helpers/outage.js';

/** A server out of order: greets, and says `reply` to the requests of each further chunk that comes. */
let reply: (request: string, count: number) => string;
let server: Server;
let sockets: Socket[];
let driver: RedisBackend;
let watched: ReturnType<typeof watch>;

beforeEach(async () => {
  watched = watch();
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    let count = 0;
    socket.on('error', () => {});
    socket.on('data', (chunk) =>
      socket.write(/ping/i.test(String(chunk)) ? '+PONG\r\n' : reply(String(chunk), ++count)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  driver = new RedisBackend({ port, timeout: 3000 });
});
afterEach(async () => {
  await driver.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  watched.stop();
  expect(watched.heard).toEqual([]);
});

const UNAVAILABLE = { code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' };
const gone = (socket: Socket | undefined): Promise<unknown> =>
  new Promise((resolve) => (socket?.destroyed ? resolve(true) : socket?.once('close', resolve)));

describe('the connection is given up', () => {
  for (const surplus of ['$-1\r\n', '*-1\r\n', ':1\r\n', '-ERR out of order\r\n', '*1\r\n$-1\r\n']) {
    test(`at a reply to nothing, ${JSON.stringify(surplus)}`, async () => {
      reply = () => `$1\r\na\r\n${surplus}`;
      expect(String(await driver.get('k'))).toBe('a');
      await gone(sockets[0]);
      expect(String(await driver.get('k'))).toBe('a'); // on a new one
      expect(sockets).toHaveLength(2);
    });
  }

  const damages = {
    'too few elements': '*2\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n',
    'too many elements': '*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n',
    'an element of another kind': '*3\r\n$1\r\na\r\n:1\r\n$1\r\nc\r\n',
    'no list': '$1\r\na\r\n',
    'a text that is longer than it says': '*3\r\n$1\r\naa\r\n$1\r\nb\r\n$1\r\nc\r\n',
    'a text that is shorter than it says': '*3\r\n$2\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n',
    'an absurd length': '*3\r\n$2147483632\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n',
    'an absurd number of elements': '*2147483632\r\n$1\r\na\r\n',
    'no length': '*3\r\n$x\r\na\r\n',
    'bytes of no meaning': '\x00\xff\r\n',
  };
  for (const [what, damaged] of Object.entries(damages)) {
    test(`at ${what}; what follows is nobody's`, async () => {
      reply = () => `${damaged}$5\r\nother\r\n`;
      const asked = [driver.getMulti(['a', 'b', 'c']), driver.set('x', Buffer.from('x'), FOREVER)];
      for (const answer of asked) await expect(answer).rejects.toMatchObject(UNAVAILABLE);
      await gone(sockets[0]);
    });
  }

  test('at an answer of a script that cannot be one', async () => {
    for (const answer of ['*0\r\n', '$2\r\n11\r\n', ':1\r\n', '+OK\r\n', '$-1\r\n']) {
      reply = () => answer;
      await expect(driver.set('k', Buffer.from('x'), FOREVER)).rejects.toMatchObject(UNAVAILABLE);
    }
  });

  test('at a reply that stops half way, after a second and not after the timeout', async () => {
    reply = () => '$1000\r\nhalf';
    const start = performance.now();
    await expect(driver.set('k', Buffer.from('x'), FOREVER)).rejects.toMatchObject(UNAVAILABLE);
    expect(performance.now() - start).toBeLessThan(1500);
  });
});

test("through the application's own client: a list of another length than asked for is an error", async () => {
  reply = () => '*2\r\n$1\r\na\r\n$1\r\nb\r\n';
  const { port } = server.address() as { port: number };
  const client = new Redis({ port, protocol: 2, enableReadyCheck: false, disableClientInfo: true });
  const borrowing = new RedisBackend({ client, timeout: 3000 });
  await expect(borrowing.getMulti(['a', 'b', 'c'])).rejects.toMatchObject(UNAVAILABLE);
  await borrowing.close();
  client.disconnect();
});

test('a large value that takes its time comes whole', async () => {
  const size = 400_000;
  reply = () => `$${size}\r\n`;
  const found = driver.get('k');
  while (sockets.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const [socket] = sockets;
  for (let sent = 0; sent < size; sent += 20_000) {
    await new Promise((resolve) => setTimeout(resolve, 70));
    socket?.write('x'.repeat(20_000));
  }
  socket?.write('\r\n');
  const value = await found;
  expect(value === NO_VALUE ? undefined : value.length).toBe(size);
});

/** As a server writes it. */
function written(value: Reply): Buffer {
  if (value === null) return Buffer.from('$-1\r\n');
  if (typeof value === 'number') return Buffer.from(`:${value}\r\n`);
  if (value instanceof Error) return Buffer.from(`-${value.message}\r\n`);
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n')]);
  const list = value as readonly Reply[];
  return Buffer.concat([Buffer.from(`*${list.length}\r\n`), ...list.map(written)]);
}

test('any replies, in whatever pieces they come', () => {
  const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value));
  const { value: anyReply } = fc.letrec<{ value: Reply }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      bytes,
      fc.integer(),
      fc.constant(null),
      fc.constant(Object.assign(new Error('ERR said'), { name: 'ReplyError' })),
      fc.array(tie('value'), { maxLength: 5 }),
    ),
  }));
  fc.assert(
    fc.property(
      fc.array(anyReply, { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (all, cuts) => {
        const stream = Buffer.concat(all.map(written));
        const parser = new ReplyParser();
        const heard: Reply[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const cut = cuts[i % cuts.length] as number;
          parser.write(stream.subarray(at, at + cut), (value) => heard.push(value));
          at += cut;
        }
        expect(heard).toEqual(all);
        expect(parser.isWithin).toBe(false);
      },
    ),
  );
});
