/** Run it with `node --test`. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { describeBackend } from '@stockpile/testkit';
import { DirectoryBackend } from './directory-backend.js';

const root = mkdtempSync(join(tmpdir(), 'directory-backend-'));
after(() => rmSync(root, { recursive: true }));
let last = root;

describeBackend({
  name: 'directory',
  runner: { describe, test },
  create({ clock }) {
    last = mkdtempSync(join(root, 'storage-'));
    return new DirectoryBackend(last, clock);
  },
  connect: ({ clock }) => new DirectoryBackend(last, clock),
  stores: 'bytes',
  capabilities: ['sync', 'ttl', 'enumerate', 'clear'],
  clock: 'injected',
});
