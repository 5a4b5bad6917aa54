/** An application that imports only the core and chooses its backend by name. */

import assert from 'node:assert/strict';
import { createRegion } from '@stockpile/core';

for (const name of ['lru', 'memory', 'memory-pickle', 'foo', 'null']) {
  const region = createRegion().configureFromConfig({ 'cache.backend': name, 'cache.expirationTime': '1m' }, 'cache');
  assert.equal(region.actualBackend.name, name);
  assert.equal(await region.getOrCreate('key', () => name), name);
}

assert.throws(() => createRegion().configure('bar'), {
  name: 'UnknownBackendError',
  code: 'ERR_STOCKPILE_UNKNOWN_BACKEND',
  message: /"bar"; registered: foo, lru, memory, memory-pickle, null; .*npm install @stockpile\/backend-bar$/,
});
// what is no plain name never becomes a path
for (const name of ['../lru', '/etc/passwd', '@stockpile/backend-lru', '']) {
  assert.throws(() => createRegion().configure(name), { code: 'ERR_STOCKPILE_UNKNOWN_BACKEND' });
}
