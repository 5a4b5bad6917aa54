/** `memory-pickle` passes the suite that every backend passes. */

import { describe, test } from '@jest/globals';
import { describeBackend } from '@stockpile/testkit';
import { MemoryPickleBackend } from '../src/index.js';

describeBackend({
  name: 'memory-pickle',
  runner: { describe, test },
  create: ({ clock }) => new MemoryPickleBackend({ clock }),
  stores: 'bytes',
  capabilities: ['sync', 'ttl', 'compareAndSet', 'enumerate', 'clear', 'events'],
  clock: 'injected',
});
