/** Mistakes in keys, clear and subscribe. */

import type { CachedValue, KeyEvent } from '@stockpile/core';
import { SmallValues } from '../small-backend.js';
import { values } from '../specs.js';
import { type Mistake, withEvents } from './mistake.js';

export const enumerationMistakes: readonly Mistake[] = [
  {
    what: 'keys come without the prefix, twice, at most 100 of them',
    options: values(
      class extends SmallValues {
        override keys(prefix: string): Iterable<string> {
          const keys = [...super.keys(prefix)].slice(0, 100).map((key) => key.slice(prefix.length));
          return [...keys, ...keys];
        }
      },
    ),
    red: [
      'enumeration: keys() are those that begin with the prefix',
      "enumeration: keys('') are all",
      'enumeration: keys() name a key once',
      'enumeration: keys() of 1000 entries',
    ],
  },
  {
    what: 'there is always a key of the backend itself, and it is deleted by nobody',
    options: values(
      class extends SmallValues {
        override keys(prefix: string): Iterable<string> {
          return [...super.keys(prefix), '__version'];
        }
      },
    ),
    red: ['enumeration: keys() of an empty storage'],
  },
  {
    what: 'a prefix is a pattern',
    options: values(
      class extends SmallValues {
        override keys(prefix: string): Iterable<string> {
          const pattern = prefix
            .replace(/[.^$|\\%_]/g, '\\$&')
            .replaceAll('*', '.*')
            .replaceAll('?', '.');
          return [...super.keys('')].filter((key) => new RegExp(`^${pattern}`).test(key));
        }
      },
    ),
    red: ['enumeration: keys() take a prefix literally', 'clear: clear() takes a prefix literally'],
  },
  {
    what: 'keys past their ttl are listed',
    options: values(
      class extends SmallValues {
        override keys(prefix: string): Iterable<string> {
          return [...this.storage.entries.keys()].filter((key) => key.startsWith(prefix));
        }
      },
    ),
    red: ['enumeration: keys() leave out what is past its ttl'],
  },
  {
    what: 'keys of a synchronous backend come with promises',
    options: values(
      class extends SmallValues {
        override keys(prefix: string): Iterable<string> {
          const keys = super.keys(prefix);
          const stream = async function* (): AsyncGenerator<string> {
            yield* keys;
          };
          return stream() as unknown as Iterable<string>;
        }
        override clear(prefix: string): void {
          for (const key of super.keys(prefix)) this.storage.entries.delete(key);
        }
      },
    ),
    red: ['capabilities: keys() can be read without a promise', 'events: subscribe() hears clear()'],
  },
  {
    what: 'clear wipes other namespaces',
    options: values(
      class extends SmallValues {
        override clear(): void {
          super.clear('');
        }
      },
    ),
    red: [
      'region: keys() and clear()',
      'clear: clear() spares other namespaces',
      'clear: clear() of what is empty',
      'clear: clear() takes a prefix',
    ],
  },
  {
    what: 'clear removes nothing',
    options: values(
      class extends SmallValues {
        override clear(): void {}
      },
    ),
    red: ['clear: clear() removes the keys', "clear: clear('') removes all", 'clear: clear() of one instance'],
  },
  {
    what: 'no event is told',
    options: withEvents(() => {}),
    red: [
      'events: subscribe() hears set() and delete()',
      'events: subscribe() hears setMulti()',
      'events: subscribe() hears increment()',
      'events: subscribe() hears compareAndSet()',
    ],
  },
  {
    what: 'events of this process are told as foreign',
    options: withEvents((event, listener) => listener({ ...event, local: false })),
    red: ['events: subscribe() says that the events of this process are local'],
  },
  {
    what: 'listeners hear everything, also when disposed',
    options: values(
      class extends SmallValues {
        override subscribe(_prefix: string, listener: (event: KeyEvent) => void): Disposable {
          super.subscribe('', listener);
          return { [Symbol.dispose]: () => {} };
        }
      },
    ),
    red: ['events: subscribe() hears nothing of other keys', 'events: subscribe() hears no more once disposed'],
  },
  {
    what: 'a listener that throws stops the writer',
    options: values(
      class extends SmallValues {
        readonly #listeners: ((event: KeyEvent) => void)[] = [];
        override subscribe(_prefix: string, listener: (event: KeyEvent) => void): Disposable {
          this.#listeners.push(listener);
          return { [Symbol.dispose]: () => {} };
        }
        override store(key: string, item: CachedValue, deadline: number): true {
          for (const listener of this.#listeners) listener({ type: 'set', key, local: true });
          return super.store(key, item, deadline);
        }
      },
    ),
    red: ['events: subscribe() with a listener that throws'],
  },
];
