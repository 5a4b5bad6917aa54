/** The other process of shm.mjs: requires only the core, and finds the backend by name too. */

const assert = require('node:assert/strict');
const { createRegion } = require('@stockpile/core');

async function main() {
  const region = createRegion({ name: 'reports' }).configure('shm', {
    expirationTime: '1m',
    arguments: JSON.parse(process.argv[2]),
  });
  assert.ok(region.actualBackend instanceof require('@stockpile/backend-shm').ShmBackend);
  assert.deepEqual(await region.getOrCreate('report', assert.fail), { pages: [1, 2] });
  assert.equal(region.sync.get('draft'), 'v1');
  await region.set('report', { pages: [3] });
  await region.invalidate({ tags: ['drafts'] });
  assert.equal(await region.increment('visits', 2), 2);
  await region.close();
}

main();
