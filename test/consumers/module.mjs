/** An application of ES modules that imports every installed package. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { LruBackend } from '@stockpile/backend-lru';
import { MemoryBackend } from '@stockpile/backend-memory';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import * as core from '@stockpile/core';

const drivers = { lru: LruBackend, memory: MemoryBackend, 'memory-pickle': MemoryPickleBackend };
for (const [name, Driver] of Object.entries(drivers)) {
  const region = core.createRegion({ name }).configure(name, { expirationTime: '1m' });
  assert.ok(region.actualBackend instanceof Driver, name);
  assert.equal(await region.getOrCreate('key', async () => 42), 42);
  assert.equal(await region.get('key'), 42);
  await region.set('nothing', null);
  assert.deepEqual(await region.getMulti(['nothing', 'absent']), [null, core.NO_VALUE]);
  assert.equal(region.sync.get('key'), 42);
  await region.invalidate();
  assert.equal(await region.get('key'), core.NO_VALUE);
  await region.close();
  await assert.rejects(region.get('key'), core.RegionClosedError);
}
assert.throws(() => core.parseDuration('soon'), { code: 'ERR_STOCKPILE_VALIDATION' });

// import and require give the same modules: the registry and the classes exist once
const required = createRequire(import.meta.url)('@stockpile/core');
assert.equal(required.createRegion, core.createRegion);
