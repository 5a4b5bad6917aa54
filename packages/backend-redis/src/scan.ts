/** Going through all keys of a prefix, on every server that holds entries. Never KEYS, never FLUSHDB. */

import { BackendTimeoutError, BackendUnavailableError } from '@stockpile/core';
import { evaluate } from './evaluate.js';
import { escapePattern, isLockKey, isTimesKey, lockPattern } from './key-names.js';
import type { Link } from './link.js';
import { perServer, throwFailures } from './per-server.js';
import { PAGE } from './scripts.js';
import { readList } from './text-list.js';
import type { Topology } from './topology.js';

/** Keys that a server looks at per call: it does nothing else meanwhile. */
const PAGE_KEYS = 1000;

/** Live entries that begin with `prefix`, each once. */
export async function* keysOf(topology: Topology, prefix: string): AsyncGenerator<string, void, undefined> {
  await topology.ready(performance.now());
  const seen = new Set<string>(); // a scan may show a key twice; two nodes, while it is on its way
  for (const link of await mastersOf(topology)) {
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
          if (meant.length > 0) await remove(topology, meant);
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
    const args = [cursor, 'MATCH', pattern, 'COUNT', PAGE_KEYS, ...(ofEntries ? ['TYPE', 'string'] : [])];
    const page = await link.run((redis) => evaluate(redis, PAGE, [], args));
    const [next = '0', ...keys] = readList(page as Buffer);
    yield keys;
    cursor = next;
  } while (cursor !== '0');
}

/** Where they are now: slots may be on their way from node to node. */
async function remove(topology: Topology, keys: readonly string[]): Promise<void> {
  const unlinked = await perServer(
    topology,
    keys,
    async (redis, own) => {
      if (!topology.isCluster || own.length === 1) {
        const gone = await redis.unlink(...own);
        return own.map(() => gone);
      }
      const pipeline = redis.pipeline();
      for (const key of own) pipeline.unlink(key);
      return ((await pipeline.exec()) ?? []).map(([error, gone]) => error ?? (gone as number));
    },
    performance.now(),
  );
  throwFailures(unlinked, keys);
}
