/** Mistakes in locks. */

import type { CachedValue, CacheMutex, WriteOptions } from '@stockpile/core';
import { handOver, SmallMutex, SmallValues } from '../small-backend.js';
import { values } from '../specs.js';
import { type Mistake, withMutex } from './mistake.js';

export const mutexMistakes: readonly Mistake[] = [
  {
    what: "release frees another's lock",
    options: withMutex(
      class extends SmallMutex {
        override release(): boolean {
          const held = this.locked();
          handOver(this.lock);
          return held;
        }
      },
    ),
    red: ["mutex: release() never frees another's lock", 'mutex: acquire() that waits ends with false at its bound'],
  },
  {
    what: 'release always answers true',
    options: withMutex(
      class extends SmallMutex {
        override release(): boolean {
          super.release();
          return true;
        }
      },
    ),
    red: ['mutex: release() of a lock that is not held', 'mutex: delete() of an entry frees'],
  },
  {
    what: 'release frees nothing',
    options: withMutex(
      class extends SmallMutex {
        override release(): boolean {
          return this.held();
        }
      },
    ),
    red: [
      'region: getOrCreate() passes the error',
      'region: keyIsLocked()',
      'mutex: release() frees the lock',
      'mutex: acquire() takes a free lock',
      'mutex: fence: grows',
    ],
  },
  {
    what: 'a lock can always be had',
    options: withMutex(
      class extends SmallMutex {
        override acquire(): boolean {
          return this.take();
        }
      },
    ),
    red: [
      'mutex: acquire() without waiting',
      'mutex: acquire() lets one at a time in',
      'mutex: acquire() with a signal that is aborted already',
      'mutex: acquire() of two instances',
      'mutex: acquire() can wait for Infinity ms',
    ],
  },
  {
    what: 'waiting is not possible',
    options: withMutex(
      class extends SmallMutex {
        override acquire(): boolean {
          return !this.locked() && this.take();
        }
      },
    ),
    red: ['mutex: acquire() that waits is granted', 'mutex: acquire() that waits ends with false at its bound'],
  },
  {
    what: 'waiting has no bound and hears no signal',
    options: withMutex(
      class extends SmallMutex {
        override acquire(options: { wait: number }): boolean | Promise<boolean> {
          return super.acquire({ wait: options.wait > 0 ? Number.POSITIVE_INFINITY : 0 });
        }
      },
    ),
    red: [
      'mutex: acquire() that waits ends with false at its bound',
      'mutex: acquire() that waits ends with false when its signal',
    ],
  },
  {
    what: 'waits overflow like timers',
    options: withMutex(
      class extends SmallMutex {
        override acquire(options: { wait: number }): boolean | Promise<boolean> {
          return super.acquire({ wait: options.wait >= 2 ** 31 ? 1 : options.wait });
        }
      },
    ),
    red: ['mutex: acquire() can wait for 3456000000 ms', 'mutex: acquire() can wait for Infinity ms'],
  },
  {
    what: 'one lock serves all keys',
    options: values(
      class extends SmallValues {
        override getMutex(): CacheMutex {
          return super.getMutex('the lock');
        }
      },
    ),
    red: ['mutex: acquire() of two keys', 'mutex: setMulti() names the keys', 'bad input: acquire() keeps odd'],
  },
  {
    what: 'no mutex comes from a backend that declares locks',
    options: values(
      class extends SmallValues {
        override getMutex(): CacheMutex {
          return undefined as unknown as CacheMutex;
        }
      },
    ),
    red: ["mutex: getMutex() gives a mutex of the driver's own"],
  },
  {
    what: 'the fence stands still',
    options: withMutex(
      class extends SmallMutex {
        override take(): true {
          super.take();
          this.fence = 1;
          return true;
        }
      },
    ),
    red: ['mutex: fence: grows with each holder'],
  },
  {
    what: 'writes do not look at the mutex, and delete leaves it',
    options: values(
      class extends SmallValues {
        override set(key: string, item: CachedValue, { ttl }: WriteOptions): boolean {
          return super.set(key, item, { ttl });
        }
        override delete(key: string): boolean {
          const there = this.live(key) !== undefined;
          this.storage.entries.delete(key);
          return there;
        }
      },
    ),
    red: [
      'mutex: set() with a mutex that was lost',
      'mutex: setMulti() names the keys',
      'mutex: delete() of an entry frees the lock',
      'mutex: delete() of nothing frees the lock',
    ],
  },
  {
    what: 'writes with a mutex are refused',
    options: values(
      class extends SmallValues {
        override set(key: string, item: CachedValue, { ttl, mutex }: WriteOptions): boolean {
          return mutex === undefined && super.set(key, item, { ttl });
        }
      },
    ),
    red: ['mutex: set() with a mutex that is held stores'],
  },
];
