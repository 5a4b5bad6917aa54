/** `null`: stores nothing. A real bypass: every cached call runs its creator, unlocked and unshared. */

import { CacheBackend, type Capability } from './backend.js';
import { NO_VALUE, type NoValue } from './cached-value.js';
import type { CacheMutex } from './mutex.js';

export class NullBackend extends CacheBackend {
  readonly name = 'null';
  readonly capabilities: ReadonlySet<Capability> = new Set(['sync', 'ttl', 'enumerate', 'clear']);

  override get(): NoValue {
    return NO_VALUE;
  }

  override set(): boolean {
    return true;
  }

  override delete(): boolean {
    return false;
  }

  /** Always to be had, also while held. */
  override getMutex(): CacheMutex {
    return { acquire: () => true, release: () => true, locked: () => false };
  }

  override keys(): Iterable<string> {
    return [];
  }

  override clear(): void {}
}
