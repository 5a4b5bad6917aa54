/** The backend `keyv` with a real server behind it: a Keyv whose store is a region on Redis. */

import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { KeyvBackend, regionStore } from '@stockpile/backend-keyv';
import '@stockpile/backend-redis';
import { createRegion, NO_VALUE, type Region, StockpileError } from '@stockpile/core';
import { FAULTS, FaultProxy, type RunningServer, startRedis } from '@stockpile/servers';
import { describeBackend } from '@stockpile/testkit';
import { Keyv } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';
import { recovery, settledInTime } from '../../packages/backend-keyv/test/in-time.js';

const TIMEOUT = 300;

let server: RunningServer;
let proxy: FaultProxy;
const opened: Region[] = [];
beforeAll(async () => {
  server = await startRedis();
  proxy = await FaultProxy.open(server);
});
afterAll(async () => {
  for (const region of opened) await region.close();
  await proxy.close();
  await server.stop();
});

function redis(name: string, timeout = 2000): Region {
  const url = `redis://127.0.0.1:${proxy.port}`;
  const region = createRegion({ name }).configure('redis', { grace: 0, timeout, arguments: { url } });
  opened.push(region);
  return region;
}

let count = 0;
let region: Region;
describeBackend({
  name: 'keyv over Keyv 5 over redis',
  runner: { describe, test },
  create: ({ timeout }) => {
    region = redis(`kit ${count++}`);
    return new KeyvBackend({ store: new Keyv({ store: regionStore(region) }), timeout });
  },
  connect: ({ timeout }) => new KeyvBackend({ store: new Keyv({ store: regionStore(region) }), timeout }),
  stores: 'bytes',
  capabilities: ['ttl', 'enumerate', 'clear'],
  clock: 'system',
});

const OPERATIONS: Readonly<Record<string, (region: Region) => Promise<unknown>>> = {
  get: (region) => region.get('a'),
  getMulti: (region) => region.getMulti(['a', 'b']),
  set: (region) => region.set('a', 1),
  setMulti: (region) => region.setMulti({ a: 1, b: 2 }),
  delete: (region) => region.delete('a'),
  deleteMulti: (region) => region.deleteMulti(['a', 'b']),
  clear: (region) => region.clear(),
};

const recovered = (region: Region): Promise<void> =>
  recovery(async () => {
    await region.set('a', 'new');
    expect(await region.get('a')).toBe('new');
  }, TIMEOUT);

describe.each([
  ['Keyv 5', (store: Region) => new Keyv({ store: regionStore(store) })],
  ['Keyv 6', (store: Region) => new Keyv6({ store: regionStore(store) })],
])('%s: the network fails', (name, open) => {
  /** `inner`: ms that the region behind Keyv gives a call. Where these are more than the driver's, it hangs. */
  const cases = FAULTS.map((fault) => ({ fault, inner: TIMEOUT / 2 }));
  const hanging = (['blackHole', 'halfAnswer', 'drip'] as const).map((fault) => ({ fault, inner: 10_000 }));
  test.each([...cases, ...hanging])(
    '$fault, with a store that gives up after $inner ms',
    async ({ fault, inner }) => {
      const printed = (['log', 'warn', 'error'] as const).map((method) => jest.spyOn(console, method));
      const region = createRegion({ name: `${name} ${fault} ${inner}` }).configure('keyv', {
        timeout: TIMEOUT,
        arguments: { store: open(redis(`behind ${name} ${fault} ${inner}`, inner)) },
      });
      await recovered(region); // a busy machine may be slower than the short timeout
      await proxy.fault(fault);
      try {
        for (const [operation, work] of Object.entries(OPERATIONS)) {
          const outcome = await settledInTime(() => work(region).catch((error: unknown) => error), TIMEOUT);
          if (outcome instanceof StockpileError) continue;
          // a drip may be a whole answer in time, and a length can be wrong so that what is read is a miss
          expect(['drip', 'badLengths']).toContain(fault);
          if (operation === 'get') expect(['new', NO_VALUE]).toContain(outcome);
        }
        expect(await settledInTime(() => region.getOrCreate('new', () => 'created'), 3 * TIMEOUT)).toBe('created');
      } finally {
        await proxy.heal();
      }
      await recovered(region);
      expect(region.stats().servers).toMatchObject([{ server: 'RegionStore', state: 'up' }]);
      for (const spy of printed) {
        expect(spy).not.toHaveBeenCalled();
        spy.mockRestore();
      }
    },
    10_000,
  );

  test('a server that is killed and started again, empty', async () => {
    const region = createRegion({ name }).configure('keyv', {
      timeout: TIMEOUT,
      arguments: { store: open(redis(`killed ${name}`, TIMEOUT / 2)) },
    });
    await recovered(region);
    await server.kill();
    // first of all, while the store itself still answers: with the name and the keys of the region behind it
    await expect(region.setMulti({ a: 1, b: 2 })).rejects.toMatchObject({ region: name, keys: ['a', 'b'] });
    for (const work of Object.values(OPERATIONS)) await expect(work(region)).rejects.toBeInstanceOf(StockpileError);
    await server.restart();
    await recovered(region);
  });

  test('a server that is paused, and goes on', async () => {
    const region = createRegion({ name }).configure('keyv', {
      timeout: TIMEOUT,
      arguments: { store: open(redis(`paused ${name}`, TIMEOUT / 2)) },
    });
    await recovered(region);
    server.pause();
    try {
      await expect(region.get('a')).rejects.toBeInstanceOf(StockpileError);
    } finally {
      server.resume();
    }
    await recovered(region);
  });
});
