/** Mistakes in ttls. */

import { type CachedValue, NO_VALUE, type NoValue } from '@stockpile/core';
import { SmallValues } from '../small-backend.js';
import { values } from '../specs.js';
import { type Mistake, withTtl } from './mistake.js';

export const expiryMistakes: readonly Mistake[] = [
  {
    what: 'ttls are ignored',
    options: withTtl(() => Number.POSITIVE_INFINITY),
    red: [
      'expiry: get() answers NO_VALUE after a ttl of 400 ms',
      'expiry: get() answers NO_VALUE after a ttl of 1000 ms',
      'expiry: getMulti() answers NO_VALUE after',
      'expiry: setMulti() gives',
      'expiry: set() again with a shorter',
      'expiry: delete() answers false',
      'enumeration: keys() leave out what is past',
      'counters: increment() of an absent key gives it',
      'counters: increment() of an existing entry keeps',
      'counters: increment() after the ttl',
      'compareAndSet: compareAndSet() without a ttl keeps',
      'compareAndSet: compareAndSet() with a ttl replaces',
      'compareAndSet: compareAndSet() counts an entry past',
    ],
  },
  {
    what: 'ttls are rounded down to seconds, and 0 is for ever',
    options: withTtl((ttl) => Math.floor(ttl / 1000) * 1000 || Number.POSITIVE_INFINITY),
    red: ['expiry: get() answers NO_VALUE after a ttl of 400 ms'],
  },
  {
    what: 'ttls end early',
    options: withTtl((ttl) => ttl / 2),
    red: ['expiry: set() with a ttl keeps the entry', 'expiry: set() with a ttl of 60 days'],
  },
  {
    what: 'ttls overflow like timers',
    options: withTtl((ttl) => (ttl > 2 ** 31 ? 1 : ttl)),
    red: [
      'expiry: set() with a ttl of 60 days',
      'expiry: set() with a ttl of Infinity',
      'expiry: set() again with a longer',
    ],
  },
  {
    what: 'an overwrite keeps the old ttl',
    options: values(
      class extends SmallValues {
        override store(key: string, item: CachedValue, deadline: number): true {
          return super.store(key, item, this.storage.entries.get(key)?.deadline ?? deadline);
        }
      },
    ),
    red: [
      'expiry: set() again with a longer',
      'expiry: set() again with a shorter',
      'compareAndSet: compareAndSet() with a ttl replaces',
    ],
  },
  {
    what: 'a getter without now does not look at the ttl',
    options: values(
      class extends SmallValues {
        override get(key: string, now = 0): CachedValue | NoValue {
          const entry = this.storage.entries.get(key);
          return entry !== undefined && entry.deadline > now ? entry.item : NO_VALUE;
        }
      },
    ),
    red: ['expiry: get() answers NO_VALUE after a ttl of 400 ms'],
  },
];
