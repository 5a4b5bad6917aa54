/** A port that is open, and behind it no Redis that lets us in: what is said, and that it is not stormed. */

import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RedisArguments, RedisBackend } from '@stockpile/backend-redis';
import { FaultProxy, type RunningServer, startMemcached, startRedis } from '@stockpile/servers';

const servers = new Map<string, RunningServer>();
let web: Server;
beforeAll(async () => {
  const all = { plain: startRedis(), locked: startRedis({ password: 'x' }), tls: startRedis({ tls: true }) };
  for (const [name, server] of Object.entries(all)) servers.set(name, await server);
  servers.set('memcached', await startMemcached());
  web = createServer((socket: Socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  web.close();
  await Promise.all([...servers.values()].map((server) => server.stop()));
});

const cases: [string, (port: number) => RedisArguments, RegExp][] = [
  ['locked', (port) => ({ port }), /NOAUTH.*the server wants a password/],
  ['locked', (port) => ({ port, password: 'y' }), /WRONGPASS/],
  ['locked', (port) => ({ cluster: [{ host: '127.0.0.1', port }] }), /NOAUTH.*the server wants a password/],
  ['memcached', (port) => ({ port }), /is this a Redis server/],
  ['web', (port) => ({ port }), /is this a Redis server/],
  ['tls', (port) => ({ port }), /does it want TLS \(rediss:\/\/\)/],
  ['plain', (port) => ({ sentinels: `127.0.0.1:${port}`, name: 'm' }), /this is no sentinel/],
  ['plain', (port) => ({ cluster: `127.0.0.1:${port}` }), /no node of a cluster/],
];
test.each(cases)('%s, %s: down, and says why', async (name, args, message) => {
  const port = servers.get(name)?.port ?? (web.address() as { port: number }).port;
  const proxy = await FaultProxy.open({ port });
  const driver = new RedisBackend({ ...args(proxy.port), timeout: 500 });
  try {
    for (let i = 0; i < 100; i++) await expect(driver.get(`k${i}`)).rejects.toThrow(message);
    const [state] = driver.servers();
    expect(state).toMatchObject({ state: 'down', error: { message: expect.stringMatching(message) } });
    expect(state?.error?.message).not.toContain(String(proxy.port)); // the state names the server already
    expect(proxy.accepted).toBeLessThan(10);
  } finally {
    await driver.close();
    await proxy.close();
  }
});
