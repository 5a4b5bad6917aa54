/** A failover under sentinels. */

import { expect, test } from '@jest/globals';
import { RedisBackend } from '@stockpile/backend-redis';
import { startSentinels } from '@stockpile/servers';
import { entryOf, FOREVER, watch } from './helpers/outage.js';

test('within seconds writes go to the new master, also where the old one is back as a replica', async () => {
  const watched = watch();
  const group = await startSentinels();
  const driver = new RedisBackend({
    sentinels: group.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(','),
    name: group.name,
    timeout: 1000,
  });
  try {
    await driver.set('a', entryOf('a'), FOREVER);
    const old = await group.master();
    await old.kill();
    const until = performance.now() + 15_000;
    for (;;) {
      try {
        await driver.set('b', entryOf('b'), FOREVER);
        break;
      } catch (error) {
        expect((error as { code?: string }).code).toMatch(/UNAVAILABLE|TIMEOUT/);
        if (performance.now() > until) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
    expect((await group.master()).port).not.toBe(old.port);
    await old.restart();
    await driver.set('c', entryOf('c'), FOREVER);
    expect(await driver.get('c')).toEqual(entryOf('c'));
  } finally {
    await driver.close();
    await group.stop();
    watched.stop();
  }
  expect(watched.heard).toEqual([]);
}, 40_000);
