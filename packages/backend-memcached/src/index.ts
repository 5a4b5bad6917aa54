/** Registers `memcached` and types its arguments. */

import { registerBackend } from '@stockpile/core';
import { MemcachedBackend } from './memcached-backend.js';
import type { MemcachedArguments } from './options.js';

export { MemcachedBackend } from './memcached-backend.js';
export type { MemcachedArguments, MemcachedServerOptions } from './options.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    memcached: MemcachedArguments;
  }
}

registerBackend('memcached', (args, context) => new MemcachedBackend(args, context));
