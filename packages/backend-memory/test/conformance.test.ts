/** `memory` passes the suite that every backend passes. */

import { describe, test } from '@jest/globals';
import { describeBackend } from '@stockpile/testkit';
import { MemoryBackend } from '../src/index.js';

describeBackend({
  name: 'memory',
  runner: { describe, test },
  create: ({ clock }) => new MemoryBackend({ clock }),
  stores: 'values',
  capabilities: ['sync', 'ttl', 'counters', 'compareAndSet', 'enumerate', 'clear', 'events'],
  clock: 'injected',
});

describeBackend({
  name: 'memory, clone: true',
  runner: { describe, test },
  create: ({ clock }) => new MemoryBackend({ clock, clone: true }),
  stores: 'values',
  capabilities: ['sync', 'ttl', 'counters', 'compareAndSet', 'enumerate', 'clear', 'events'],
  clock: 'injected',
});
