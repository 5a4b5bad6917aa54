/** `lru` passes the suite that every backend passes, with its defaults and within narrow bounds. */

import { describe, test } from '@jest/globals';
import { describeBackend } from '@stockpile/testkit';
import { LruBackend } from '../src/index.js';

describeBackend({
  name: 'lru',
  runner: { describe, test },
  create: ({ clock }) => new LruBackend({ clock }),
  stores: 'values',
  capabilities: ['sync', 'ttl', 'counters', 'compareAndSet', 'enumerate', 'clear', 'events'],
  clock: 'injected',
});

describeBackend({
  name: 'lru, full',
  runner: { describe, test },
  create: ({ clock }) => new LruBackend({ clock, maxItems: 100, maxBytes: '1.5M', clone: true }),
  stores: 'values',
  capabilities: ['sync', 'ttl', 'counters', 'compareAndSet', 'enumerate', 'clear', 'events'],
  clock: 'injected',
  mayEvict: true,
  maxValueBytes: 2 ** 20,
});
