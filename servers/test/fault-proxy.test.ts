/** Every fault, as a bare socket of a client sees it. */

import { once } from 'node:events';
import { createServer, createConnection as open, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { FAULTS, FaultProxy, startMemcached, startRedis } from '@stockpile/servers';

/** What one connection of a client has gone through. */
interface Client {
  readonly socket: Socket;
  received: string;
  ended: boolean;
  error: string | undefined;
}

/** Answers each chunk with itself. */
let echo: Server;
let proxy: FaultProxy;
const clients: Client[] = [];

beforeAll(async () => {
  echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
});

afterAll(() => {
  echo.close();
});

beforeEach(async () => {
  const address = echo.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  proxy = await FaultProxy.open({ port: address.port });
});

afterEach(async () => {
  await proxy.close();
  for (const { socket } of clients.splice(0)) socket.destroy();
});

function connect(port = proxy.port): Client {
  const socket = open({ port, host: '127.0.0.1' });
  const client: Client = { socket, received: '', ended: false, error: undefined };
  socket.on('data', (chunk: Buffer) => {
    client.received += chunk.toString('latin1');
  });
  socket.on('end', () => {
    client.ended = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    client.error = error.code;
  });
  clients.push(client);
  return client;
}

/** A client that has had an answer already. */
async function used(): Promise<Client> {
  const client = connect();
  client.socket.write('hello');
  await until(() => client.received === 'hello');
  client.received = '';
  return client;
}

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 5000; !condition(); await sleep(2)) {
    if (performance.now() > deadline) throw new Error(`not within 5 s: ${condition}`);
  }
}

/** Silence has no event: as long as an answer takes many times over. */
const silence = (): Promise<void> => sleep(50);

test('without a fault everything passes, both ways, also much at once', async () => {
  const client = connect();
  const sent = 'x'.repeat(3_000_000);
  client.socket.write(sent);
  await until(() => client.received.length === sent.length);
  expect(client.received).toBe(sent);
  expect([proxy.connections, proxy.accepted, proxy.bytesFromClient]).toEqual([1, 1, sent.length]);
  client.socket.destroy();
  await until(() => proxy.connections === 0);
  expect(proxy.accepted).toBe(1);
});

test('refuse: open connections are reset, new ones find nobody', async () => {
  const client = await used();
  await proxy.fault('refuse');
  await until(() => client.error === 'ECONNRESET');
  const late = connect();
  await until(() => late.error === 'ECONNREFUSED');
  await proxy.heal();
  await used();
  expect([proxy.connections, proxy.accepted]).toEqual([1, 2]);
});

test('reset: open connections are reset, new ones are taken and reset', async () => {
  const client = await used();
  await proxy.fault('reset');
  await until(() => client.error === 'ECONNRESET');
  const late = connect();
  await until(() => late.error === 'ECONNRESET');
  expect(proxy.accepted).toBe(2);
  await proxy.heal();
  await used();
});

test('blackHole: connections open and stay open, nothing passes; after healing the bytes arrive late', async () => {
  const client = await used();
  await proxy.fault('blackHole');
  const late = connect();
  await once(late.socket, 'connect');
  client.socket.write('one');
  client.socket.write('two');
  late.socket.write('three');
  await until(() => proxy.bytesFromClient === 'helloonetwothree'.length);
  await silence();
  for (const { received, ended, error } of [client, late])
    expect([received, ended, error]).toEqual(['', false, undefined]);
  await proxy.heal();
  await until(() => client.received === 'onetwo' && late.received === 'three');
});

test('blackHole: a client that gives up is no open connection any more', async () => {
  const client = await used();
  await proxy.fault('blackHole');
  client.socket.write('request');
  client.socket.end();
  await until(() => proxy.connections === 0);
});

test('halfAnswer: the first half of the next reply, then silence; after healing the rest', async () => {
  const client = await used();
  await proxy.fault('halfAnswer');
  client.socket.write('abcdefgh');
  await until(() => client.received === 'abcd');
  client.socket.write('ijkl');
  await silence();
  expect([client.received, client.ended, client.error]).toEqual(['abcd', false, undefined]);
  await proxy.heal();
  await until(() => client.received === 'abcdefghijkl');
});

test('drip: a byte each 100 ms; after healing the rest at once', async () => {
  const client = await used();
  await proxy.fault('drip');
  const began = performance.now();
  client.socket.write('abcdefgh');
  await until(() => client.received.length >= 3);
  expect(client.received).toBe('abc');
  expect(performance.now() - began).toBeGreaterThan(200);
  await proxy.heal();
  await until(() => client.received === 'abcdefgh');
});

test('garbage: as many random bytes, the same for the same seed; after healing right ones', async () => {
  const client = await used();
  await proxy.fault('garbage');
  const sent = 'x'.repeat(1000);
  client.socket.write(sent);
  await until(() => client.received.length === sent.length);
  const first = client.received;
  expect(new Set(first).size).toBeGreaterThan(200);
  await proxy.heal();
  client.socket.write('right');
  await until(() => client.received.length > sent.length);
  expect(client.received).toBe(`${first}right`);

  const again = await FaultProxy.open({ port: (echo.address() as { port: number }).port });
  await again.fault('garbage');
  const other = connect(again.port);
  other.socket.write(sent);
  await until(() => other.received.length === sent.length);
  await again.close();
  expect(other.received).toBe(first);
});

test('badLengths: RESP prefixes and memcached headers are wrong, all else is right', async () => {
  const client = await used();
  await proxy.fault('badLengths');
  const resp = '*2\r\n$5\r\nhello\r\n:7\r\n+OK\r\n';
  client.socket.write(resp);
  await until(() => client.received.endsWith('+OK\r\n'));
  const [, items, bytes, rest] = /^\*(\d+)\r\n\$(\d+)\r\n(.*)$/s.exec(client.received) ?? [];
  expect(items).not.toBe('2');
  expect(bytes).not.toBe('5');
  expect(rest).toBe('hello\r\n:7\r\n+OK\r\n');

  const binary = connect();
  const replies = Buffer.alloc(24 + 4 + 24); // one with a body, one without
  replies[0] = replies[28] = 0x81;
  replies.writeUInt32BE(4, 8);
  binary.socket.write(replies);
  await until(() => binary.received.length === replies.length);
  const damaged = Buffer.from(binary.received, 'latin1');
  expect(damaged.readUInt32BE(8)).not.toBe(4);
  expect(damaged.readUInt32BE(28 + 8)).not.toBe(0);
  damaged.writeUInt32BE(4, 8);
  damaged.writeUInt32BE(0, 28 + 8);
  expect(damaged.equals(replies)).toBe(true);
});

test('fin: closed in order when a request arrives, not before', async () => {
  const client = await used();
  await proxy.fault('fin');
  await silence();
  expect(client.ended).toBe(false);
  client.socket.write('request');
  await until(() => client.ended);
  expect([client.received, client.error]).toEqual(['', undefined]);
  await until(() => proxy.connections === 0);
  await proxy.heal();
  await used();
});

test('finAfterHalf: the first half of the next reply, then closed in order', async () => {
  const client = await used();
  await proxy.fault('finAfterHalf');
  client.socket.write('abcdefgh');
  await until(() => client.ended);
  expect([client.received, client.error]).toEqual(['abcd', undefined]);
  await until(() => proxy.connections === 0);
});

test('a server that is gone: the client is reset, and served again when it is back', async () => {
  const redis = await startRedis();
  const front = await FaultProxy.open(redis);
  await redis.kill();
  const client = connect(front.port);
  await until(() => client.error === 'ECONNRESET');
  await redis.restart();
  const late = connect(front.port);
  late.socket.write('PING\r\n');
  await until(() => late.received === '+PONG\r\n');
  await Promise.all([front.close(), redis.stop()]);
});

test('callers who do not wait: the last call counts, and closing leaves nothing', async () => {
  const calls = [proxy.fault('refuse'), proxy.heal(), proxy.fault('refuse'), proxy.heal()];
  await Promise.all(calls);
  await used();
  const last = [proxy.fault('refuse'), proxy.heal(), proxy.close()];
  await Promise.all(last);
  const late = connect();
  await until(() => late.error === 'ECONNREFUSED');
  await expect(proxy.heal()).rejects.toThrow(/closed/);
});

test('in front of a unix socket', async () => {
  const memcached = await startMemcached({ unix: true });
  const front = await FaultProxy.open(memcached);
  const client = connect(front.port);
  client.socket.write('version\r\n');
  await until(() => client.received.startsWith('VERSION 1.'));
  await Promise.all([front.close(), memcached.stop()]);
});

test.each(FAULTS)('%s: closing ends every connection, and the port refuses', async (fault) => {
  const client = await used();
  await proxy.fault(fault);
  client.socket.write('request');
  const late = connect();
  late.socket.write('request');
  await once(late.socket, 'connect').catch(() => {});
  await proxy.close();
  expect(proxy.connections).toBe(0);
  await until(() => client.socket.destroyed && late.socket.destroyed);
  const last = connect();
  await until(() => last.error === 'ECONNREFUSED');
});
