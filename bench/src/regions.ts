/** Our side: regions with defaults and the common ttl. */

import '@stockpile/backend-lru';
import '@stockpile/backend-memory';
import '@stockpile/backend-memory-pickle';
import { createRegion, type ProxyLike, type Region } from '@stockpile/core';
import { keys, load, TTL_MS, type Value } from './workload.js';

export type BackendName = 'memory' | 'memory-pickle' | 'lru';

export function region<V>(
  backend: BackendName,
  { ttlMs = TTL_MS, wrap = [] }: { ttlMs?: number; wrap?: readonly ProxyLike[] } = {},
): Region<V> {
  return createRegion<V>({ name: 'bench' }).configure(backend, { expirationTime: ttlMs, wrap });
}

/** One that holds the values of all keys. Creators made them, as in use: that they have run leaves traces in V8. */
export function filledRegion(backend: BackendName, wrap: readonly ProxyLike[] = []): Region<Value> {
  const filled = region<Value>(backend, { wrap });
  for (const key of keys) filled.sync.getOrCreate(key, () => load(key));
  return filled;
}
