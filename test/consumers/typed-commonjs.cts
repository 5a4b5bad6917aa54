/** TypeScript that becomes CommonJS: its imports are calls of require. */

import { createRegion, type Region } from '@stockpile/core';

import lru = require('@stockpile/backend-lru');
import shm = require('@stockpile/backend-shm');

export const region: Region<string> = createRegion<string>().configure('lru', { arguments: { maxItems: 5 } });
export const driver: lru.LruBackend = new lru.LruBackend({ maxItems: 5 });
export const shared: Region<string> = createRegion<string>().configure('shm', { arguments: { segment: 'app' } });
export const isThrownBySegments = (error: unknown): boolean => error instanceof shm.SegmentOpenError;
