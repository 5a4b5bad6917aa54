/** The author of a driver: runs the installed suite under node:test. */

import { describe, test } from 'node:test';
import { MemoryBackend } from '@stockpile/backend-memory';
import { describeBackend } from '@stockpile/testkit';

describeBackend({
  name: 'memory',
  runner: { describe, test },
  create: ({ clock }) => new MemoryBackend({ clock }),
  stores: 'values',
  capabilities: new MemoryBackend().capabilities,
  clock: 'injected',
});
