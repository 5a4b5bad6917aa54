/** A backend with one mistake, and ways to make one. */

import type { CachedValue, CacheMutex, Capability, KeyEvent } from '@stockpile/core';
import { type Lock, SmallValues } from '../small-backend.js';
import { type Options, values } from '../specs.js';

export interface Mistake {
  readonly what: string;
  readonly options: Options;
  /** Tests that must go red: 'group: how the title begins'. */
  readonly red: readonly string[];
}

/** A mutex with a mistake, for all keys of a backend. */
export function withMutex(Mutex: new (lock: Lock) => CacheMutex): Options {
  return values(
    class extends SmallValues {
      override getMutex(key: string): CacheMutex {
        return new Mutex(this.storage.lock(key));
      }
    },
  );
}

/** A backend that changes keys on their way. */
export function withKeys(change: (key: string) => string): Options {
  return values(
    class extends SmallValues {
      override live(key: string): ReturnType<SmallValues['live']> {
        return super.live(change(key));
      }
      override store(key: string, item: CachedValue, deadline: number): true {
        return super.store(change(key), item, deadline);
      }
      override delete(key: string): boolean {
        return super.delete(change(key));
      }
      override getMutex(key: string): CacheMutex {
        return super.getMutex(change(key));
      }
    },
  );
}

/** A backend that hears events with a mistake. */
export function withEvents(hear: (event: KeyEvent, listener: (event: KeyEvent) => void) => void): Options {
  return values(
    class extends SmallValues {
      override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
        return super.subscribe(prefix, (event) => hear(event, listener));
      }
    },
  );
}

/** A value changed on its way in. */
export function withValues(change: (value: unknown) => unknown): Options {
  return values(
    class extends SmallValues {
      override store(key: string, item: CachedValue, deadline: number): true {
        return super.store(key, { ...item, value: change(item.value) }, deadline);
      }
    },
  );
}

/** A deadline computed wrongly from the ttl. */
export function withTtl(change: (ttl: number) => number): Options {
  return values(
    class extends SmallValues {
      override store(key: string, item: CachedValue, deadline: number): true {
        const now = this.clock.now();
        return super.store(key, item, now + change(deadline - now));
      }
    },
  );
}

export function declaring(capabilities: readonly Capability[]): Options {
  return { ...values(), capabilities };
}

/** Until others have run. */
export const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
