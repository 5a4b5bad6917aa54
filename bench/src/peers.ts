/** The peers, each as its own documentation sets it up: defaults, and our ttl. What had to be chosen is said here. */

import { readFileSync } from 'node:fs';
import { createCache as createDedupe } from 'async-cache-dedupe';
import { BentoCache, type BentoStore, bentostore } from 'bentocache';
import { memoryDriver } from 'bentocache/drivers/memory';
import { createCache as createCacheManager } from 'cache-manager';
import { Cacheable } from 'cacheable';
import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';

export const PEERS = [
  'lru-cache',
  'keyv',
  'cache-manager',
  'cacheable',
  'bentocache',
  'async-cache-dedupe',
  'lmdb',
  'memjs',
  'ioredis',
] as const;
export type Peer = (typeof PEERS)[number];

export type Load<V> = (key: string) => V | Promise<V>;

/** It wants a bound: 10,000, as our lru backend has by default. */
export function lruCache<V extends object>(ttl: number, load?: Load<V>): LRUCache<string, V> {
  return new LRUCache<string, V>({ max: 10_000, ttl, ...(load && { fetchMethod: load }) });
}

export function keyv(ttl: number): Keyv {
  return new Keyv({ ttl });
}

export function cacheManager(ttl: number): ReturnType<typeof createCacheManager> {
  return createCacheManager({ ttl });
}

export function cacheable(ttl: number): Cacheable {
  return new Cacheable({ ttl });
}

/** Its store must be chosen: one layer in memory. */
export function bento(ttl: number): BentoCache<{ memory: BentoStore }> {
  return new BentoCache({ default: 'memory', ttl, stores: { memory: bentostore().useL1Layer(memoryDriver({})) } });
}

/** Its ttl is in seconds, and 0 by default, which keeps nothing. The function is given at its definition. */
export function dedupe<V>(ttl: number, load: Load<V>): Dedupe<V> {
  const cache = createDedupe({ ttl: ttl / 1000, storage: { type: 'memory' } });
  return cache.define('fetch', async (key: string) => load(key)) as unknown as Dedupe<V>;
}

interface Dedupe<V> {
  fetch(key: string): Promise<V>;
  clear(): Promise<void>;
}

/** The installed version of a package. */
export function versionOf(name: string): string {
  for (let folder = new URL('.', import.meta.url); ; folder = new URL('../', folder)) {
    try {
      return (
        JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, folder), 'utf8')) as { version: string }
      ).version;
    } catch (error) {
      if (folder.pathname === '/') throw error;
    }
  }
}
