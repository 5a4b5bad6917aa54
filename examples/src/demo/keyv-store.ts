/** What the demo runs `keyv` over: a Keyv where it is installed, else a Map. */

import { createRequire } from 'node:module';

export interface KeyvStore {
  readonly store: object;
  /** For people. */
  readonly line: string;
}

/** `load` finds a module by its name, as `require` does. */
export function keyvStore(load: (name: string) => unknown = createRequire(import.meta.url)): KeyvStore {
  try {
    const { Keyv } = load('keyv') as { Keyv: new () => object };
    return { store: new Keyv(), line: 'keyv: over a Keyv with its own Map, in this process' };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    return { store: new Map(), line: 'keyv: over a Map, since the package keyv is not installed here' };
  }
}
