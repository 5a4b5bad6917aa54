/** Mistakes in concurrency, and in what is declared. */

import {
  type CachedValue,
  type CacheMutex,
  type Capability,
  NO_VALUE,
  type NoValue,
  ValidationError,
  type WriteOptions,
} from '@stockpile/core';
import { SmallValues } from '../small-backend.js';
import { values } from '../specs.js';
import { declaring, type Mistake, pause } from './mistake.js';

export const capabilitiesMistakes: readonly Mistake[] = [
  {
    what: 'all reads share one buffer',
    options: values(
      class extends SmallValues {
        #last: CachedValue | NoValue = NO_VALUE;
        override get(key: string): CachedValue | NoValue {
          this.#last = super.get(key);
          return pause().then(() => this.#last) as unknown as NoValue;
        }
        override getMulti(keys: readonly string[]): (CachedValue | NoValue)[] {
          return keys.map((key) => super.get(key));
        }
      },
    ),
    red: ['concurrency: get() many times at once', 'capabilities: get() answers without a promise'],
  },
  {
    what: 'writes are done in two halves',
    options: values(
      class extends SmallValues {
        override set(key: string, item: CachedValue, options: WriteOptions): boolean {
          const { value } = item;
          if (typeof value !== 'string') return super.set(key, item, options);
          const half = (from: number, to: number): string => value.slice(from, to);
          super.set(key, { ...item, value: half(0, value.length / 2) }, options);
          return pause().then(() => {
            const first = this.live(key)?.item.value;
            return super.set(key, { ...item, value: `${first}${half(value.length / 2, value.length)}` }, options);
          }) as unknown as boolean;
        }
      },
    ),
    red: ['concurrency: set() of one key at once', 'concurrency: set() and get() at once'],
  },
  {
    what: 'delete looks, waits and deletes',
    options: values(
      class extends SmallValues {
        override delete(key: string): boolean {
          const there = this.live(key) !== undefined;
          return pause().then(() => {
            super.delete(key);
            return there;
          }) as unknown as boolean;
        }
      },
    ),
    red: ['concurrency: delete() of one key at once', 'capabilities: delete() answers without a promise'],
  },
  {
    what: 'a synchronous backend answers with promises',
    options: values(
      class extends SmallValues {
        override getMulti(keys: readonly string[]): (CachedValue | NoValue)[] {
          return Promise.resolve(keys.map((key) => this.get(key))) as unknown as NoValue[];
        }
        override set(key: string, item: CachedValue, options: WriteOptions): boolean {
          return Promise.resolve(super.set(key, item, options)) as unknown as boolean;
        }
        override delete(key: string): boolean {
          return Promise.resolve(super.delete(key)) as unknown as boolean;
        }
        override getMutex(key: string): CacheMutex {
          const mutex = super.getMutex(key);
          return {
            acquire: async (options) => mutex.acquire(options),
            release: async () => mutex.release(),
            locked: async () => mutex.locked(),
          };
        }
        override compareAndSet(...args: Parameters<SmallValues['compareAndSet']>): boolean {
          return Promise.resolve(super.compareAndSet(...args)) as unknown as boolean;
        }
        override async clear(prefix: string): Promise<void> {
          super.clear(prefix);
        }
      },
    ),
    red: [
      'getMulti()',
      'set()',
      'setMulti()',
      'delete()',
      'deleteMulti()',
      'acquire() without waiting',
      'release()',
      'locked()',
      'compareAndSet()',
      'clear()',
    ].map((method) => `capabilities: ${method} answers without a promise`),
  },
  {
    what: 'less is declared than there is',
    options: declaring([]),
    red: [
      "region: sync of a region without 'sync'",
      'region: increment() of a region without',
      'region: keys() of a region without',
      'region: clear() of a region without',
      'region: subscribe() of a region without',
      'capabilities: capabilities are',
      "capabilities: keys() without 'enumerate'",
      "capabilities: clear() without 'clear'",
      "capabilities: increment() without 'counters'",
      "capabilities: compareAndSet() without 'compareAndSet'",
      "capabilities: subscribe() without 'events'",
    ],
  },
  {
    what: 'methods without a capability fail with another error',
    options: {
      ...values(
        class extends SmallValues {
          override capabilities: ReadonlySet<Capability> = new Set();
          override clear(): void {
            throw new ValidationError('clear: not implemented');
          }
        },
      ),
      capabilities: [],
    },
    red: ["capabilities: clear() without 'clear'"],
  },
];
