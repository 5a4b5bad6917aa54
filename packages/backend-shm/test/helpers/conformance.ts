/** The suite of all backends on `shm`, with further arguments. */

import { describe, test } from '@jest/globals';
import { ShmBackend, type ShmOptions } from '@stockpile/backend-shm';
import { describeBackend } from '@stockpile/testkit';
import { freshName } from './segments.js';

const MAX_VALUE_BYTES = 100_000;
const ENVELOPE_BYTES = 64;

export function describeShm(args: ShmOptions, skip: Readonly<Record<string, string>> = {}): void {
  let last: ShmOptions = {};
  describeBackend({
    name: `shm ${JSON.stringify(args)}`,
    runner: { describe, test },
    create: ({ clock }) => {
      const maxValueBytes = MAX_VALUE_BYTES + ENVELOPE_BYTES;
      last = { segment: freshName(), size: '8M', lifetime: 'processes', maxValueBytes, clock, ...args };
      return new ShmBackend(last);
    },
    connect: () => new ShmBackend(last),
    stores: 'bytes',
    capabilities: ['sync', 'ttl', 'locks', 'counters', 'compareAndSet', 'enumerate', 'clear', 'events'],
    clock: 'system',
    fenced: true,
    maxValueBytes: MAX_VALUE_BYTES,
    skip,
  });
}
