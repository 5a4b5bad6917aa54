/** Registers `memory-pickle` and types its arguments. */

import { registerBackend } from '@stockpile/core';
import { type MemoryPickleArguments, MemoryPickleBackend } from './memory-pickle-backend.js';

export {
  type MemoryPickleArguments,
  MemoryPickleBackend,
  type MemoryPickleOptions,
} from './memory-pickle-backend.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    'memory-pickle': MemoryPickleArguments;
  }
}

registerBackend('memory-pickle', (_args, { clock }) => new MemoryPickleBackend({ clock }));
