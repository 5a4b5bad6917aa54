/** An application that chooses a server by name, with the addresses as flat text; the arguments are such names and texts. */

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { createRegion, NO_VALUE } from '@stockpile/core';

const require = createRequire(import.meta.url);
const [backend, url] = process.argv.slice(2);
const region = createRegion({ name: `on ${process.version}` }).configureFromConfig(
  { 'cache.backend': backend, 'cache.expirationTime': '1m', 'cache.arguments.url': url },
  'cache',
);
assert.equal(region.actualBackend.name, backend);
await region.set('bytes', new Uint8Array([0, 255]));
assert.deepEqual(await region.getMulti(['bytes', 'absent']), [new Uint8Array([0, 255]), NO_VALUE]);
assert.equal(await region.getOrCreate('report', async () => 'made'), 'made');
assert.equal(await region.increment('visits', 2), 2);
assert.deepEqual(
  region.stats().servers.map(({ state }) => state),
  ['up'],
);

// a region as a store of others, without keyv installed; in CommonJS
const { regionStore } = require('@stockpile/backend-keyv');
const store = regionStore(region);
await store.set('kept', 'value', 60_000);
assert.equal(await store.get('kept'), 'value');
const over = createRegion().configure('keyv', { arguments: { store } });
assert.equal(await over.getOrCreate('key', () => 42), 42);
await over.close();
await region.close(); // then nothing is left that would keep the process
