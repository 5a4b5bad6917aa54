/** A CommonJS application that requires every installed package. */

const assert = require('node:assert/strict');
const { createRegion, NO_VALUE, ValidationError } = require('@stockpile/core');
const { LruBackend } = require('@stockpile/backend-lru');
const { MemoryBackend } = require('@stockpile/backend-memory');
const { MemoryPickleBackend } = require('@stockpile/backend-memory-pickle');
const { describeBackend } = require('@stockpile/testkit');
const { version } = require('@stockpile/core/package.json');

async function main() {
  for (const [name, Driver] of Object.entries({
    lru: LruBackend,
    memory: MemoryBackend,
    'memory-pickle': MemoryPickleBackend,
  })) {
    const region = createRegion({ name }).configure(name, { expirationTime: '1m' });
    assert.ok(region.actualBackend instanceof Driver, name);
    assert.equal(await region.getOrCreate('key', async () => 42), 42);
    assert.equal(region.sync.get('key'), 42);
    assert.equal(await region.get('absent'), NO_VALUE);
    await assert.rejects(region.get(''), ValidationError);
    await region.close();
  }
  assert.equal(typeof describeBackend, 'function');
  assert.match(version, /^\d+\.\d+\.\d+/);
  const imported = await import('@stockpile/core');
  assert.equal(imported.createRegion, createRegion);
}

main();
