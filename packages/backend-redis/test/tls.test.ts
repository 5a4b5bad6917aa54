/** Servers that speak TLS, with a certificate of an authority of one's own. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type RedisArguments, RedisBackend } from '@stockpile/backend-redis';
import { NO_VALUE } from '@stockpile/core';
import { type RunningServer, startRedis } from '@stockpile/servers';
import { Redis } from 'ioredis';
import { entryOf, FOREVER } from './helpers/outage.js';

let server: RunningServer;
beforeAll(async () => {
  server = await startRedis({ tls: true });
});
afterAll(() => server.stop());

const forms: [string, (port: number, ca: string) => RedisArguments][] = [
  ['rediss:// and tls', (port, ca) => ({ url: `rediss://127.0.0.1:${port}`, tls: { ca } })],
  ['host, port and tls', (port, ca) => ({ host: 'localhost', port, tls: { ca } })],
];
test.each(forms)('%s: connects, also for messages', async (_, args) => {
  const driver = new RedisBackend(args(server.port, server.ca as string));
  try {
    const heard = new Promise((resolve) => driver.subscribe('', resolve));
    await driver.set('a', entryOf('a'), FOREVER);
    expect(await driver.get('a')).toEqual(entryOf('a'));
    expect(await heard).toMatchObject({ key: 'a' });
  } finally {
    await driver.close();
  }
});

test('a cluster', async () => {
  const args = ['--cluster-enabled', 'yes', '--tls-cluster', 'yes', '--cluster-announce-ip', '127.0.0.1'];
  const node = await startRedis({ tls: true, args });
  const client = new Redis({ port: node.port, tls: { ca: node.ca as string } });
  const driver = new RedisBackend({ cluster: `127.0.0.1:${node.port}`, tls: { ca: node.ca as string } });
  try {
    await client.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
    while (!String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:ok'));
    await driver.set('a', entryOf('a'), FOREVER);
    expect(await driver.get('a')).toEqual(entryOf('a'));
    expect(await driver.get('b')).toBe(NO_VALUE);
  } finally {
    client.disconnect();
    await driver.close();
    await node.stop();
  }
});

test('without the authority the certificate is refused', async () => {
  const driver = new RedisBackend({ url: `rediss://127.0.0.1:${server.port}` });
  await expect(driver.get('a')).rejects.toThrow(/self-signed|certificate/);
  await driver.close();
});
