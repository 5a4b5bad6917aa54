/** Mistakes in the multi forms. */

import type { CachedValue, NoValue, WriteOptions } from '@stockpile/core';
import { SmallValues } from '../small-backend.js';
import { values } from '../specs.js';
import type { Mistake } from './mistake.js';

export const multiMistakes: readonly Mistake[] = [
  {
    what: 'getMulti answers in the order of the storage',
    options: values(
      class extends SmallValues {
        override getMulti(keys: readonly string[]): (CachedValue | NoValue)[] {
          return keys.toSorted().map((key) => this.get(key));
        }
      },
    ),
    red: ['multi: getMulti() answers in the order of the keys'],
  },
  {
    what: 'getMulti answers for each key once, and not for absent ones',
    options: values(
      class extends SmallValues {
        override getMulti(keys: readonly string[]): (CachedValue | NoValue)[] {
          return [...new Set(keys)].filter((key) => this.live(key)).map((key) => this.get(key));
        }
      },
    ),
    red: [
      'region: getOrCreateMulti() whose values are all refused',
      'multi: getMulti() answers NO_VALUE',
      'multi: getMulti() answers for a repeated key',
    ],
  },
  {
    what: 'multi forms fail on nothing',
    options: values(
      class extends SmallValues {
        override getMulti(keys: readonly string[]): (CachedValue | NoValue)[] {
          if (keys.length === 0) throw new Error('ERR wrong number of arguments');
          return keys.map((key) => this.get(key));
        }
        override setMulti(items: ReadonlyMap<string, CachedValue>, options: { ttl: number }): readonly string[] {
          if (items.size === 0) throw new Error('ERR wrong number of arguments');
          for (const [key, item] of items) this.set(key, item, options);
          return [];
        }
        override deleteMulti(keys: readonly string[]): number {
          if (keys.length === 0) throw new Error('ERR wrong number of arguments');
          return keys.filter((key) => this.delete(key)).length;
        }
      },
    ),
    red: [
      'multi: getMulti() of no keys',
      'multi: setMulti() of nothing',
      'multi: deleteMulti() of no keys',
      'bad input: setMulti() refuses a value that is too large',
      'mutex: setMulti() names the keys',
    ],
  },
  {
    what: 'setMulti stores the first entry only, without the ttl',
    options: values(
      class extends SmallValues {
        override setMulti(items: ReadonlyMap<string, CachedValue>): readonly string[] {
          for (const [key, item] of [...items].slice(0, 1)) this.set(key, item, { ttl: Number.POSITIVE_INFINITY });
          return [];
        }
      },
    ),
    red: ['multi: setMulti() stores every entry', 'expiry: setMulti() gives', 'multi: getMulti(), setMulti() and'],
  },
  {
    what: 'setMulti tears values of one batch apart',
    options: values(
      class extends SmallValues {
        override setMulti(items: ReadonlyMap<string, CachedValue>, options: WriteOptions): readonly string[] {
          const [first] = items.values();
          for (const key of items.keys()) this.set(key, first as CachedValue, options);
          return [];
        }
      },
    ),
    red: ['concurrency: setMulti() of overlapping keys at once'],
  },
  {
    what: 'deleteMulti counts keys',
    options: values(
      class extends SmallValues {
        override deleteMulti(keys: readonly string[]): number {
          for (const key of keys) this.delete(key);
          return keys.length;
        }
      },
    ),
    red: ['multi: deleteMulti() removes', 'multi: deleteMulti() counts a repeated', 'expiry: deleteMulti() does not'],
  },
];
