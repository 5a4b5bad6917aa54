/** As by-name.mjs, in CommonJS and without promises. */

const assert = require('node:assert/strict');
const { createRegion } = require('@stockpile/core');

for (const name of ['lru', 'memory', 'memory-pickle', 'foo']) {
  const region = createRegion().configure(name, { expirationTime: '1m' });
  assert.equal(region.actualBackend.name, name);
  assert.equal(
    region.sync.getOrCreate('key', () => name),
    name,
  );
}
assert.throws(() => createRegion().configure('bar'), { code: 'ERR_STOCKPILE_UNKNOWN_BACKEND' });
