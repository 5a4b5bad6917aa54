/** Registers `memory` and types its arguments. */

import { registerBackend } from '@stockpile/core';
import { type MemoryArguments, MemoryBackend } from './memory-backend.js';

export { type MemoryArguments, MemoryBackend, type MemoryOptions } from './memory-backend.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    memory: MemoryArguments;
  }
}

registerBackend('memory', (args, { clock }) => new MemoryBackend({ ...args, clock }));
