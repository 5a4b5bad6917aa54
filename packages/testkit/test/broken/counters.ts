/** Mistakes in increment and compareAndSet. */

import type { CachedValue, NoValue, WriteOptions } from '@stockpile/core';
import { SmallValues } from '../small-backend.js';
import { values } from '../specs.js';
import { type Mistake, pause } from './mistake.js';

export const countersMistakes: readonly Mistake[] = [
  {
    what: 'counters stop at zero',
    options: values(
      class extends SmallValues {
        override increment(...args: Parameters<SmallValues['increment']>): number {
          const sum = super.increment(...args);
          const [key, , item] = args;
          if (sum < 0) this.store(key, { ...item, value: 0 }, Number.POSITIVE_INFINITY);
          return Math.max(0, sum);
        }
      },
    ),
    red: ['counters: increment() below zero'],
  },
  {
    what: 'counters know whole steps up from 0 only',
    options: values(
      class extends SmallValues {
        override increment(key: string, by: number, initial: CachedValue, options: WriteOptions): number {
          return super.increment(key, Math.abs(Math.trunc(by)), { ...initial, value: 1 }, options);
        }
      },
    ),
    red: [
      'counters: increment() of an absent key stores',
      'counters: increment() subtracts',
      'counters: increment() adds f',
    ],
  },
  {
    what: 'counters begin anew each time',
    options: values(
      class extends SmallValues {
        override increment(key: string, _by: number, initial: CachedValue, options: WriteOptions): number {
          this.set(key, initial, options);
          return initial.value as number;
        }
      },
    ),
    red: [
      'counters: increment() adds to what is there',
      'counters: increment() counts each key',
      'counters: increment() 1000',
    ],
  },
  {
    what: 'counters make numbers of text',
    options: values(
      class extends SmallValues {
        override increment(key: string, by: number, initial: CachedValue, options: WriteOptions): number {
          const entry = this.live(key);
          if (entry !== undefined) this.store(key, { ...entry.item, value: Number(entry.item.value) }, entry.deadline);
          return super.increment(key, by, initial, options);
        }
      },
    ),
    red: ['counters: increment() of what is no number'],
  },
  {
    what: 'counters read, wait and write',
    options: {
      ...values(
        class extends SmallValues {
          override increment(...args: Parameters<SmallValues['increment']>): number {
            const [key, by, initial] = args;
            const seen = this.live(key)?.item ?? { ...initial, value: (initial.value as number) - by };
            const next = { ...seen, value: (seen.value as number) + by };
            return pause().then(() => {
              this.store(key, next, Number.POSITIVE_INFINITY);
              return next.value;
            }) as unknown as number;
          }
        },
      ),
    },
    red: [
      'region: increment() of a region',
      'counters: increment() 1000 times at once',
      'counters: increment() of two instances at once',
      'capabilities: increment() answers without a promise',
    ],
  },
  {
    what: 'compareAndSet always stores',
    options: values(
      class extends SmallValues {
        override compareAndSet(key: string, _: CachedValue | NoValue, item: CachedValue): boolean {
          return this.store(key, item, Number.POSITIVE_INFINITY);
        }
      },
    ),
    red: [
      'compareAndSet: compareAndSet() stores nothing if the entry was replaced',
      'compareAndSet: compareAndSet() stores nothing if the entry was deleted',
      'compareAndSet: compareAndSet() with NO_VALUE stores nothing',
      'compareAndSet: compareAndSet() at once from one entry',
      'compareAndSet: compareAndSet() at once from nothing',
    ],
  },
  {
    what: 'compareAndSet never stores',
    options: values(
      class extends SmallValues {
        override compareAndSet(): boolean {
          return false;
        }
      },
    ),
    red: [
      'compareAndSet: compareAndSet() stores if the entry is',
      'compareAndSet: compareAndSet() with NO_VALUE stores if nothing',
      'events: subscribe() hears compareAndSet()',
    ],
  },
];
