/** Registers `lru` and types its arguments. */

import { registerBackend } from '@stockpile/core';
import { type LruArguments, LruBackend } from './lru-backend.js';

export type { DeleteReason, OnDelete } from './departures.js';
export { ENTRY_OVERHEAD_BYTES, type SizeOf } from './entry-size.js';
export { type LruArguments, LruBackend, type LruOptions } from './lru-backend.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    lru: LruArguments;
  }
}

registerBackend('lru', (args, { clock }) => new LruBackend({ ...args, clock }));
