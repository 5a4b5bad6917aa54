/** An application that imports only the core and shares a segment, by name, with the process that it starts. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRegion, NO_VALUE } from '@stockpile/core';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const dir = mkdtempSync(join(FOLDER, 'shm-'));
const segment = { segment: 'consumers', size: '1M', lifetime: 'processes', dir };
const region = createRegion({ name: 'reports' }).configure('shm', {
  expirationTime: '1m',
  arguments: { ...segment, nearCache: true },
});
assert.equal(region.actualBackend.name, 'shm');

const report = await region.getOrCreate('report', async () => ({ pages: [1, 2] }));
assert.deepEqual(report, { pages: [1, 2] });
const near = await region.get('report');
assert.ok(Object.isFrozen(near) && Object.isFrozen(near.pages), 'a kept value is frozen');
assert.equal(await region.get('report'), near);
assert.equal(region.sync.get('report'), near);
await region.set('draft', 'v1', { tags: ['drafts'] });

// the other process is CommonJS: it sees the report, replaces it, counts, and invalidates what carries the tag
const { status, signal } = spawnSync(process.execPath, [join(FOLDER, 'shm.cjs'), JSON.stringify(segment)], {
  stdio: 'inherit',
});
assert.deepEqual({ status, signal }, { status: 0, signal: null });
assert.deepEqual(await region.getMulti(['report', 'draft', 'visits']), [{ pages: [3] }, NO_VALUE, 2]);

await region.close();
assert.deepEqual(readdirSync(join(dir, `stockpile-${process.getuid()}`)), [], 'the last user has removed it');
rmSync(dir, { recursive: true });
