/** TypeScript that becomes CommonJS: its imports are calls of require. */

import { createRegion, type Region } from '@stockpile/core';

import lru = require('@stockpile/backend-lru');

export const region: Region<string> = createRegion<string>().configure('lru', { arguments: { maxItems: 5 } });
export const driver: lru.LruBackend = new lru.LruBackend({ maxItems: 5 });
