/** Registers `redis` and types its arguments. */

import { registerBackend } from '@stockpile/core';
import type { RedisArguments } from './options.js';
import { RedisBackend } from './redis-backend.js';

export type { RedisArguments, RedisClient, RedisNode } from './options.js';
export { RedisBackend, type RedisOptions } from './redis-backend.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    redis: RedisArguments;
  }
}

registerBackend('redis', (args, { timeout, report }) => new RedisBackend({ ...args, timeout, report }));
