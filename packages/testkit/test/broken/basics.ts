/** Mistakes in get, set, delete, close. */

import type { CachedValue, NoValue } from '@stockpile/core';
import { SmallValues, Storage } from '../small-backend.js';
import { values } from '../specs.js';
import { type Mistake, withValues } from './mistake.js';

export const basicsMistakes: readonly Mistake[] = [
  {
    what: 'misses are answered as undefined',
    options: values(
      class extends SmallValues {
        override get(key: string): CachedValue | NoValue {
          return this.live(key)?.item as CachedValue;
        }
      },
    ),
    red: [
      'region: delete() while a creator runs wins',
      'basics: get() answers NO_VALUE for an absent key',
      'multi: getMulti() answers NO_VALUE in the place',
    ],
  },
  {
    what: 'nothing is kept',
    options: values(
      class extends SmallValues {
        override store(): true {
          return true;
        }
      },
    ),
    red: [
      'region: getOrCreate() creates once',
      'region: getOrCreate() creates again once',
      'region: getOrCreateMulti() creates what is missing',
      'region: cacheFunction()',
      'region: cacheMultiFunction()',
      'region: getOrCreate(), getMulti() and delete() of region.sync',
      'basics: get() answers with the value',
      'basics: get() can be',
      'serialisation: get() gives back null',
    ],
  },
  {
    what: 'values are handed out once',
    options: values(
      class extends SmallValues {
        override get(key: string): CachedValue | NoValue {
          const found = super.get(key);
          this.storage.entries.delete(key);
          return found;
        }
      },
    ),
    red: ['basics: get() can be repeated'],
  },
  {
    what: 'falsy values count as absent',
    options: values(
      class extends SmallValues {
        override live(key: string): ReturnType<SmallValues['live']> {
          const entry = super.live(key);
          return entry?.item.value ? entry : undefined;
        }
      },
    ),
    red: [
      'region: getOrCreate() takes undefined, null, 0',
      'basics: delete() answers true for a value that is falsy',
      'serialisation: get() gives back zero',
    ],
  },
  {
    what: 'metadata is dropped',
    options: values(
      class extends SmallValues {
        override store(key: string, { value }: CachedValue, deadline: number): true {
          return super.store(key, { value, metadata: { createdAt: this.clock.now() } }, deadline);
        }
      },
    ),
    red: [
      'region: invalidate() makes',
      'basics: get() answers with the metadata',
      'counters: increment() keeps the metadata',
    ],
  },
  {
    what: 'the first value stays',
    options: values(
      class extends SmallValues {
        override store(key: string, item: CachedValue, deadline: number): true {
          return this.live(key) === undefined ? super.store(key, item, deadline) : true;
        }
      },
    ),
    red: ['basics: set() replaces the value', 'multi: setMulti() replaces', 'expiry: set() again with a longer'],
  },
  {
    what: 'what was deleted or cleared once is refused for ever',
    options: values(
      class extends SmallValues {
        readonly gone = new Set<string>();
        override store(key: string, item: CachedValue, deadline: number): true {
          return this.gone.has(key) ? true : super.store(key, item, deadline);
        }
        override delete(key: string): boolean {
          this.gone.add(key);
          return super.delete(key);
        }
        override clear(prefix: string): void {
          for (const key of this.keys(prefix)) this.gone.add(key);
          super.clear(prefix);
        }
      },
    ),
    red: ['basics: set() stores after a delete()', 'clear: set() stores after a clear()'],
  },
  {
    what: 'delete is always true',
    options: values(
      class extends SmallValues {
        override delete(key: string): boolean {
          super.delete(key);
          return true;
        }
      },
    ),
    red: [
      'basics: delete() answers false',
      'expiry: delete() answers false after the ttl',
      'expiry: deleteMulti() does not count',
      'multi: deleteMulti() removes',
      'multi: deleteMulti() counts a repeated key once',
      'concurrency: delete() of one key at once',
    ],
  },
  {
    what: 'delete removes nothing',
    options: values(
      class extends SmallValues {
        override delete(key: string): boolean {
          return this.live(key) !== undefined;
        }
      },
    ),
    red: [
      'basics: delete() removes',
      'enumeration: keys() leave out what was deleted',
      'enumeration: keys() can be deleted',
      'bad input: delete() removes odd',
    ],
  },
  {
    what: 'large values are cut',
    options: withValues((value) => (Buffer.isBuffer(value) ? value.subarray(0, 1000) : value)),
    red: [
      'region: getOrCreate() returns a value that is too large',
      'basics: set() stores a value of 4096 bytes',
      'bad input: set() refuses a value that is too large',
    ],
  },
  {
    what: 'a value that is too large takes the old one with it',
    options: values(
      class extends SmallValues {
        override store(key: string, item: CachedValue, deadline: number): true {
          this.storage.entries.delete(key);
          return super.store(key, item, deadline);
        }
      },
    ),
    red: ['bad input: set() refuses a value that is too large', 'bad input: setMulti() refuses a value that is too l'],
  },
  {
    what: 'close fails the second time',
    options: values(
      class extends SmallValues {
        #closed = false;
        override close(): void {
          if (this.#closed) throw new Error('closed already');
          this.#closed = true;
        }
      },
    ),
    red: ['basics: close() can be called twice'],
  },
  {
    what: 'instances share nothing',
    options: { ...values(), connect: ({ clock }) => new SmallValues(new Storage(), clock) },
    red: [
      'region: getOrCreate() many times at once',
      'region: getOrCreateMulti() of 5 callers',
      'basics: get() sees what another instance does',
      'clear: clear() of one instance',
      'counters: increment() of two instances',
      'compareAndSet: compareAndSet() sees the writes',
      'events: subscribe() hears what another instance does',
      'mutex: acquire() of two instances',
    ],
  },
];
