/** Keyv 5 and 6 over a region on memcached, which cannot list its keys. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { regionStore } from '@stockpile/backend-keyv';
import '@stockpile/backend-memcached';
import { createRegion, type Region } from '@stockpile/core';
import { type RunningServer, startMemcached } from '@stockpile/servers';
import { Keyv } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';

let server: RunningServer;
let region: Region;
beforeAll(async () => {
  server = await startMemcached();
  const url = `127.0.0.1:${server.port}`;
  region = createRegion({ name: 'keyv' }).configure('memcached', { grace: 0, arguments: { url } });
});
afterAll(async () => {
  await region.close();
  await server.stop();
});

test.each<[string, () => Keyv]>([
  ['Keyv 5', () => new Keyv({ store: regionStore(region) })],
  ['Keyv 6', () => new Keyv6({ store: regionStore(region) }) as unknown as Keyv],
])('%s: values, ttl, many, and a clear that is of the whole region', async (_name, open) => {
  const keyv = open();
  await keyv.set('key', { a: [1, Buffer.from('b')] });
  expect(await keyv.get('key')).toEqual({ a: [1, Buffer.from('b')] });
  await keyv.set('short', 1, 50);
  await new Promise((resolve) => setTimeout(resolve, 70)); // memcached itself keeps it for a second
  expect(await keyv.get('short')).toBeUndefined();
  await keyv.setMany(['a', 'b'].map((key) => ({ key, value: key })));
  expect(await keyv.getMany(['b', 'absent', 'a'])).toEqual(['b', undefined, 'a']);
  expect(await keyv.delete('a')).toBe(true);
  expect(await keyv.delete('a')).toBe(false);
  await region.set('of the region', 1);
  await keyv.clear();
  expect(await keyv.getMany(['key', 'b'])).toEqual([undefined, undefined]);
  expect(await region.get('of the region')).toBe(Symbol.for('stockpile.NO_VALUE'));
});

test('Keyv 6 with a namespace cannot clear here, and says so', async () => {
  const keyv = new Keyv6({ store: regionStore(region), namespace: 'app' });
  await keyv.set('key', 1);
  await expect(keyv.clear()).rejects.toMatchObject({ code: 'ERR_STOCKPILE_CAPABILITY' });
  expect(await keyv.get('key')).toBe(1);
});
