/** Going through all keys of a prefix, on every server that holds entries. Never KEYS, never FLUSHDB. */

import { BackendTimeoutError, BackendUnavailableError } from '@stockpile/core';
import type { Redis } from 'ioredis';
import { escapePattern, isLockKey, isTimesKey, lockPattern } from './key-names.js';
import type { Link } from './link.js';
import type { Topology } from './topology.js';

/** Keys that a server looks at per call: it does nothing else meanwhile. */
const PAGE = 1000;

/** Live entries that begin with `prefix`, each once. */
export async function* keysOf(topology: Topology, prefix: string): AsyncGenerator<string, void, undefined> {
  await topology.ready(performance.now());
  for (const link of await mastersOf(topology)) {
    const seen = new Set<string>(); // a scan may show a key twice
    for await (const page of pages(link, `${escapePattern(prefix)}*`, true)) {
      for (const key of page) {
        if (!isEntry(key, prefix) || seen.has(key)) continue;
        seen.add(key);
        yield key;
      }
    }
  }
}

/**
 * Frees the locks first, so that no creator that runs already can store behind the scan. What is there when it begins
 * is gone when it ends.
 */
export async function clear(topology: Topology, prefix: string, timeout: number): Promise<void> {
  const until = performance.now() + timeout;
  await topology.ready(performance.now());
  const passes: readonly [string, (key: string) => boolean][] = [
    [lockPattern(prefix), (key) => key.startsWith(prefix) && isLockKey(key)],
    [`${escapePattern(prefix)}*`, (key) => isEntry(key, prefix)],
  ];
  for (const [pattern, isMeant] of passes) {
    await Promise.all(
      (await mastersOf(topology)).map(async (link) => {
        for await (const page of pages(link, pattern)) {
          const meant = page.filter(isMeant);
          if (meant.length > 0) await link.run((redis) => unlink(redis, meant, topology.isCluster));
          if (performance.now() > until) {
            throw new BackendTimeoutError(
              `clear: not done within timeout, ${timeout} ms; a part is gone: call it again, or use invalidate()`,
            );
          }
        }
      }),
    );
  }
}

async function mastersOf(topology: Topology): Promise<readonly Link[]> {
  const masters = topology.masters();
  if (masters.length === 0) throw new BackendUnavailableError('the cluster has no nodes');
  return masters;
}

function isEntry(key: string, prefix: string): boolean {
  return key.startsWith(prefix) && !isLockKey(key) && !isTimesKey(key);
}

/** `ofEntries`: what is no string is no entry of ours. */
async function* pages(link: Link, pattern: string, ofEntries = false): AsyncGenerator<string[], void, undefined> {
  let cursor = '0';
  do {
    const [next, keys] = await link.run((redis) =>
      ofEntries
        ? redis.scan(cursor, 'MATCH', pattern, 'COUNT', PAGE, 'TYPE', 'string')
        : redis.scan(cursor, 'MATCH', pattern, 'COUNT', PAGE),
    );
    yield keys;
    cursor = next;
  } while (cursor !== '0');
}

async function unlink(redis: Redis, keys: readonly string[], isCluster: boolean): Promise<void> {
  if (!isCluster) {
    await redis.unlink(...keys);
    return;
  }
  const pipeline = redis.pipeline();
  for (const key of keys) pipeline.unlink(key);
  for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
}
