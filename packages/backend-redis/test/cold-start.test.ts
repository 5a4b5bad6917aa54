/** A process that starts while the server takes connections and answers nothing. */

import { expect, test } from '@jest/globals';
import '@stockpile/backend-redis';
import { BackendTimeoutError, BackendUnavailableError, createRegion } from '@stockpile/core';
import { startRedis } from '@stockpile/servers';
import { recovery } from './helpers/outage.js';

const TIMEOUT = 400;
const DURATION = 3000;
const SLOW = 100;

interface Call {
  /** ms since the start, and until it failed. */
  readonly at: number;
  readonly ms: number;
  readonly error: unknown;
}

test('only its first callers wait for the timeout; after that one per probe does', async () => {
  const server = await startRedis();
  const region = createRegion({ name: 'cold' }).configure('redis', {
    timeout: TIMEOUT,
    arguments: { port: server.port },
  });
  try {
    server.pause();
    const start = performance.now();
    const calls: Promise<Call>[] = [];
    while (performance.now() - start < DURATION) {
      const began = performance.now();
      calls.push(
        region.get(`k${calls.length}`).then(
          () => ({ at: began - start, ms: 0, error: undefined }),
          (error: unknown) => ({ at: began - start, ms: performance.now() - began, error }),
        ),
      );
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const all = await Promise.all(calls);
    const known = all.filter(({ at }) => at > TIMEOUT + SLOW); // by then the server is marked down
    expect(known.filter(({ ms }) => ms > SLOW).length).toBeLessThanOrEqual(5); // probes, at growing distances
    expect(known.length).toBeGreaterThan(50);
    // and what says that it waited for the timeout did so
    expect(all.filter(({ ms, error }) => error instanceof BackendTimeoutError && ms < TIMEOUT - SLOW)).toEqual([]);
    expect(known.filter(({ ms, error }) => ms <= SLOW && !(error instanceof BackendUnavailableError))).toEqual([]);
    server.resume();
    await recovery(() => region.get('a'));
  } finally {
    await region.close();
    await server.stop();
  }
}, 20_000);
