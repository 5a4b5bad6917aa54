/** What the tests of the driver share. */

import { type DeleteReason, LruBackend, type LruOptions } from '@stockpile/backend-lru';
import type { CachedValue } from '@stockpile/core';

export const START = 1_000_000;
export const FOREVER = { ttl: Infinity };

export class TestClock {
  constructor(public time = START) {}
  now(): number {
    return this.time;
  }
}

export function item(value: unknown, createdAt = START): CachedValue {
  return { value, metadata: { createdAt } };
}

/** A backend that notes what leaves it. */
export function noting(options: LruOptions = {}): { backend: LruBackend; left: [string, unknown, DeleteReason][] } {
  const left: [string, unknown, DeleteReason][] = [];
  const backend = new LruBackend({ ...options, onDelete: (key, value, reason) => left.push([key, value, reason]) });
  return { backend, left };
}
