/** Every server that can be started answers, is paused, killed, restarted and stopped. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from '@jest/globals';
import { type RunningServer, ServerMissingError, startMemcached, startRedis } from '@stockpile/servers';

const running: RunningServer[] = [];
const owners: ChildProcess[] = [];

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
  for (const owner of owners.splice(0)) if (owner.connected) owner.send('exit');
});

async function start(server: Promise<RunningServer>): Promise<RunningServer> {
  running.push(await server);
  return server;
}

type Address = { port: number; host?: string; path?: string } | { path: string };

/** The first bytes that come back for `request`; a port goes before a path. @throws what the socket says; Error where nothing comes. */
async function answer(to: Address, request: string | Buffer, ms = 5000): Promise<string> {
  const socket = createConnection('port' in to ? { port: to.port, host: to.host ?? '127.0.0.1' } : to);
  try {
    socket.write(request);
    const [bytes] = (await once(socket, 'data', { signal: AbortSignal.timeout(ms) })) as [Buffer];
    return bytes.toString('latin1');
  } finally {
    socket.destroy();
  }
}

/** A request of memcached's binary protocol to log in, and the status of its answer. */
async function logIn(port: number, user: string, password: string): Promise<number> {
  const [key, value] = ['PLAIN', `\0${user}\0${password}`];
  const header = Buffer.alloc(24);
  header[0] = 0x80;
  header[1] = 0x21;
  header.writeUInt16BE(key.length, 2);
  header.writeUInt32BE(key.length + value.length, 8);
  const said = await answer({ port }, Buffer.concat([header, Buffer.from(key + value)]));
  return Buffer.from(said, 'latin1').readUInt16BE(6);
}

test('redis answers on its port and its unix socket, and stores nothing on disk', async () => {
  const redis = await start(startRedis());
  expect(await answer(redis, 'PING\r\n')).toBe('+PONG\r\n');
  expect(await answer({ path: redis.path }, 'PING\r\n')).toBe('+PONG\r\n');
  expect(await answer(redis, 'CONFIG GET save\r\n')).toBe('*2\r\n$4\r\nsave\r\n$0\r\n\r\n');
});

test('redis takes arguments and a password', async () => {
  const redis = await start(startRedis({ args: ['--maxmemory', '5mb'], password: 'pass word' }));
  expect(await answer(redis, 'PING\r\n')).toMatch(/^-NOAUTH/);
  expect(await answer(redis, 'AUTH "pass word"\r\nCONFIG GET maxmemory\r\n')).toContain('+OK');
});

test('redis with TLS shows a certificate that its ca vouches for', async () => {
  const redis = await start(startRedis({ tls: true }));
  const socket = connectTls({ port: redis.port, host: '127.0.0.1', ca: redis.ca ?? '' });
  await once(socket, 'secureConnect');
  expect(socket.authorized).toBe(true);
  socket.write('PING\r\n');
  expect(String((await once(socket, 'data'))[0])).toBe('+PONG\r\n');
  socket.destroy();
});

test('memcached answers on a port, on a unix socket, on ::1', async () => {
  const ways = await Promise.all([
    start(startMemcached({ args: ['-m', '8'] })),
    start(startMemcached({ unix: true })),
    start(startMemcached({ ipv6: true })),
  ]);
  const [tcp, unix, ipv6] = ways as [RunningServer, RunningServer, RunningServer];
  expect([tcp.host, unix.port, ipv6.host]).toEqual(['127.0.0.1', 0, '::1']);
  expect(await answer({ port: tcp.port }, 'version\r\n')).toMatch(/^VERSION 1\./);
  expect(await answer({ path: unix.path }, 'version\r\n')).toMatch(/^VERSION 1\./);
  expect(await answer({ port: ipv6.port, host: '::1' }, 'version\r\n')).toMatch(/^VERSION 1\./);
  expect(await answer({ port: tcp.port }, 'stats settings\r\n')).toMatch(
    /STAT maxbytes 8388608\r\n[\s\S]*STAT udpport 0\r\n/,
  );
});

test('memcached with SASL lets in its user alone, also after a restart', async () => {
  const memcached = await start(startMemcached({ sasl: { user: 'anna', password: 'pass:word' } }));
  const [ok, denied] = [0, 0x20];
  expect(await logIn(memcached.port, 'anna', 'pass:word')).toBe(ok);
  expect(await logIn(memcached.port, 'anna', 'wrong')).toBe(denied);
  expect(await logIn(memcached.port, 'bert', 'pass:word')).toBe(denied);
  await memcached.restart();
  expect(await logIn(memcached.port, 'anna', 'pass:word')).toBe(ok);
});

type Kind = [name: string, start: () => Promise<RunningServer>, set: string, get: string, found: string, none: string];

const KINDS: Kind[] = [
  ['redis', startRedis, 'SET key 1\r\n', 'GET key\r\n', '$1\r\n1\r\n', '$-1\r\n'],
  ['memcached', startMemcached, 'set key 0 0 1\r\n1\r\n', 'get key\r\n', 'VALUE key 0 1\r\n1\r\nEND\r\n', 'END\r\n'],
];

test.each(KINDS)('%s: a pause holds answers back, and ends', async (_, startServer, set, get, found) => {
  const server = await start(startServer());
  await answer(server, set);
  server.pause();
  await expect(answer(server, get, 100)).rejects.toThrow(/abort/);
  const late = answer(server, get);
  server.resume();
  expect(await late).toBe(found);
});

test.each(KINDS)(
  '%s: killed it refuses; restarted it is empty, in the same place',
  async (_, startServer, set, get, found, none) => {
    const server = await start(startServer());
    const { port, path, pid } = server;
    await answer(server, set);
    expect(await answer(server, get)).toBe(found);
    server.pause(); // a paused one dies as well
    await server.kill();
    await expect(answer(server, get)).rejects.toThrow(/ECONNREFUSED/);
    await server.restart();
    expect([server.port, server.path]).toEqual([port, path]);
    expect(server.pid).not.toBe(pid);
    expect(await answer(server, get)).toBe(none);
    await server.restart(); // of one that runs
    expect(await answer(server, get)).toBe(none);
  },
);

test('a stopped server leaves nothing behind, and starts no more', async () => {
  const redis = await startRedis();
  await redis.stop();
  await redis.stop();
  expect(existsSync(redis.path)).toBe(false);
  await expect(answer(redis, 'PING\r\n')).rejects.toThrow(/ECONNREFUSED/);
  await expect(redis.restart()).rejects.toThrow(/stopped for good/);
});

test('many started at once, by several processes, have ports of their own', async () => {
  const here = Promise.all(Array.from({ length: 8 }, (_, i) => start(i % 2 === 0 ? startRedis() : startMemcached())));
  const elsewhere = await Promise.all([startElsewhere(), startElsewhere()]);
  const ports = [...(await here), ...elsewhere].map(({ port }) => port);
  expect(new Set(ports).size).toBe(10);
});

test('a server that cannot start says what it said itself', async () => {
  await expect(startRedis({ args: ['--no-such-option', '1'] })).rejects.toThrow(
    /ended with 1; its last output:\n[\s\S]*no-such-option/,
  );
  await expect(startMemcached({ args: ['-I', 'nonsense'] })).rejects.toThrow(/memcached.*ended with/);
});

test('where the program is missing, the error says so', async () => {
  const path = process.env.PATH;
  process.env.PATH = '/nowhere';
  try {
    await expect(startRedis()).rejects.toThrow(ServerMissingError);
    await expect(startMemcached()).rejects.toThrow('there is no memcached on the PATH');
  } finally {
    process.env.PATH = path;
  }
});

const onLinux = process.platform === 'linux' ? test : test.skip; // elsewhere only an exit ends the servers

test('servers end with the process that started them, and so do their files', async () => {
  const { owner, port, path } = await startElsewhere();
  expect(await answer({ port }, 'PING\r\n')).toBe('+PONG\r\n');
  owner.send('exit');
  await once(owner, 'exit');
  await gone(port);
  expect(existsSync(path)).toBe(false);
});

onLinux('servers end with the process that started them even if that is killed', async () => {
  const { owner, port } = await startElsewhere();
  expect(await answer({ port }, 'PING\r\n')).toBe('+PONG\r\n');
  owner.kill('SIGKILL');
  await gone(port);
});

interface Elsewhere {
  readonly owner: ChildProcess;
  readonly port: number;
  readonly path: string;
}

/** A redis of another process; it ends with that one. */
async function startElsewhere(): Promise<Elsewhere> {
  const owner = fork(fileURLToPath(new URL('./fixtures/owner.mjs', import.meta.url)), { execArgv: [] });
  owners.push(owner);
  const [message] = (await once(owner, 'message')) as [Omit<Elsewhere, 'owner'>];
  return { owner, ...message };
}

/** Resolves when nobody listens: the number of a dead process may stay in use until somebody has asked how it ended. */
async function gone(port: number): Promise<void> {
  const deadline = performance.now() + 5000;
  const refuses = (): Promise<boolean> =>
    answer({ port }, 'PING\r\n', 100).then(
      () => false,
      (error: Error) => error.message.includes('ECONNREFUSED'),
    );
  while (!(await refuses())) {
    if (performance.now() > deadline) throw new Error(`port ${port} still answers`);
    await sleep(5);
  }
}
