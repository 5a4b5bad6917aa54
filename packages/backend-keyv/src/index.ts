/** Registers `keyv`, types its arguments, and has the way back: a region as a store of Keyv. */

import { registerBackend } from '@stockpile/core';
import { KeyvBackend } from './keyv-backend.js';
import type { KeyvArguments } from './options.js';

export { KeyvBackend } from './keyv-backend.js';
export type { KeyvArguments, KeyvOptions, KeyvStore } from './options.js';
export { RegionStore, type RegionStoreOptions, regionStore } from './region-store.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    keyv: KeyvArguments;
  }
}

registerBackend('keyv', (args, { clock, timeout, report }) => new KeyvBackend({ ...args, clock, timeout, report }));
