/** Memcached, one server on a socket and one on a port, and those who ask it, each over a connection of its own. */

import { MemcachedBackend } from '@stockpile/backend-memcached';
import { createRegion, type Region } from '@stockpile/core';
import { keys } from '../workload.js';
import memjs, { type Client, type Server } from './memjs.js';
import { startMemcached } from './start.js';
import { REGION, storedKeys, TTL_MS, texts, type Way } from './texts.js';

export interface MemcachedAskers {
  readonly bare: Client;
  readonly region: Region<string>;
  readonly driver: MemcachedBackend;
  /** Bytes of a value: the text, and what the region puts around it. The bare client has entries of its own with as many. */
  readonly bytes: number;
}

/** @throws Skip where there is no memcached. */
export async function memcachedAskers(): Promise<Readonly<Record<Way, MemcachedAskers>>> {
  const { port, path } = await startMemcached();
  const overSocket = await askers(path, new memjs.Server(undefined, path));
  const overTcp = await askers(`127.0.0.1:${port}`, new memjs.Server('127.0.0.1', port));
  return { 'unix socket': overSocket, TCP: overTcp };
}

async function askers(url: string, server: Server): Promise<MemcachedAskers> {
  const region = createRegion<string>({ name: REGION }).configure('memcached', {
    expirationTime: TTL_MS,
    arguments: { url },
  });
  await region.setMulti(texts);
  const driver = new MemcachedBackend({ url });
  const bare = new memjs.Client([server]);
  const found = await driver.getMulti(storedKeys);
  for (const [i, key] of keys.entries()) {
    const bytes = found[i];
    if (!(bytes instanceof Uint8Array)) throw new Error('memcached: regions store under other keys now');
    await bare.set(key, Buffer.from(bytes), { expires: TTL_MS / 1000 });
  }
  return { bare, region, driver, bytes: (found[0] as Uint8Array).length };
}
