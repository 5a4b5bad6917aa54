/** Registers `redis` and types its arguments. */

import { refuseMisspelt, registerBackend } from '@stockpile/core';
import type { RedisArguments } from './options.js';
import { RedisBackend } from './redis-backend.js';

export type { RedisArguments, RedisClient } from './options.js';
export { RedisBackend, type RedisOptions } from './redis-backend.js';
export type { RedisNode } from './server-address.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    redis: RedisArguments;
  }
}

registerBackend('redis', (args, { timeout, report }) => {
  refuseMisspelt(args, [], { timeout: "timeout' of the region, beside 'arguments" }, 'arguments');
  return new RedisBackend({ ...args, timeout, report });
});
