/** Importing this file registers the backend and types its arguments. */

import { registerBackend } from '@stockpile/core';
import { DirectoryBackend } from './directory-backend.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    directory: { path: string };
  }
}

registerBackend('directory', ({ path }, { clock }) => new DirectoryBackend(path, clock));
