/** Proves that the demo's check can fail: `STOCKPILE_DEMO_TAMPER=lru npm run demo` must end with exit code 1. */

import { type Awaitable, type CachedValue, ProxyBackend, type WriteOptions } from '@stockpile/core';
import type { Report } from './report.js';

/** Changes one field of the first report that is stored. */
export class TamperingProxy extends ProxyBackend {
  #victim: string | undefined;

  override set(key: string, item: CachedValue, options: WriteOptions): Awaitable<boolean> {
    this.#victim ??= key;
    if (key !== this.#victim) return this.proxied.set(key, item, options);
    const report = item.value as Report;
    return this.proxied.set(key, { ...item, value: { ...report, bytes: report.bytes + 1 } }, options);
  }
}
