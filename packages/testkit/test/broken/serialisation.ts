/** Mistakes in values and keys. */

import { type CachedValue, NO_VALUE, type NoValue } from '@stockpile/core';
import { MAX_BYTES, SmallBytes, SmallValues } from '../small-backend.js';
import { bytes, values } from '../specs.js';
import { type Mistake, withKeys, withValues } from './mistake.js';

export const serialisationMistakes: readonly Mistake[] = [
  {
    what: 'values go through JSON',
    options: withValues((value) => {
      const text = JSON.stringify(value);
      return text === undefined ? null : JSON.parse(text);
    }),
    red: [
      'serialisation: get() gives back undefined',
      'serialisation: get() gives back minus zero',
      'serialisation: get() gives back NaN',
      'serialisation: get() gives back Infinity',
      'serialisation: get() gives back a BigInt',
      'serialisation: get() gives back a Date',
      'serialisation: get() gives back a Map',
      'serialisation: get() gives back a Set',
      'serialisation: get() gives back a RegExp',
      'serialisation: get() gives back a Buffer',
      'serialisation: get() gives back empty bytes',
      'serialisation: get() gives back a Uint8Array',
      'serialisation: get() gives back a Float64Array',
      'serialisation: get() gives back an ArrayBuffer',
      'serialisation: get() gives back an Error',
      'serialisation: get() gives back an object',
      'serialisation: get() gives back an array',
      'serialisation: get() gives back an object that contains itself',
    ],
  },
  {
    what: 'text goes through UTF-8, trimmed',
    options: withValues((value) => (typeof value === 'string' ? Buffer.from(value).toString().trim() : value)),
    red: [
      'serialisation: get() gives back a text with a lone',
      'serialisation: get() gives back a text of all scripts',
    ],
  },
  {
    what: 'all reads of bytes share one buffer',
    options: bytes(
      class extends SmallBytes {
        readonly #shared = Buffer.alloc(MAX_BYTES * 2);
        override get(key: string): Uint8Array | NoValue {
          const found = super.get(key);
          if (found === NO_VALUE) return found;
          this.#shared.set(found);
          return this.#shared.subarray(0, found.length);
        }
      },
    ),
    red: [
      'serialisation: get() of the driver gives out bytes that later reads',
      'multi: getMulti() answers in the order of the keys',
    ],
  },
  {
    what: 'decoded values are kept and handed out',
    options: {
      ...values(),
      stores: 'bytes',
    },
    red: [
      'region: getOrCreate() returns a value that cannot be serialised',
      'capabilities: capabilities are',
      'serialisation: set() stores what the value is now',
      'serialisation: get() gives out a copy of an object',
      'serialisation: get() gives out a copy of a Buffer',
      'serialisation: get() gives out a copy of a Uint8Array',
      'bad input: set() refuses a value that cannot be serialised',
      'bad input: setMulti() refuses a value that cannot be serialised',
    ],
  },
  {
    what: 'bytes go through text',
    options: bytes(
      class extends SmallBytes {
        override store(key: string, item: Uint8Array, deadline: number): true {
          return super.store(key, Buffer.from(Buffer.from(item).toString()), deadline);
        }
      },
    ),
    red: [
      'serialisation: get() of the driver gives back exactly the bytes',
      'serialisation: get() gives back a Buffer',
    ],
  },
  {
    what: 'keys are trimmed, cut at 250 characters and cleared of case',
    options: withKeys((key) => key.trim().slice(0, 250).toLowerCase()),
    red: [
      'region: get() of another namespace',
      'region: get() keeps long and odd keys apart',
      'bad input: get() keeps odd and long keys apart',
      'bad input: delete() removes odd and long keys',
      'bad input: acquire() keeps odd and long keys apart',
    ],
  },
  {
    what: 'keys end at NUL',
    options: withKeys((key) => key.split('\0')[0] || key),
    red: ['bad input: get() keeps odd', 'enumeration: keys() are whole keys'],
  },
  {
    what: 'entries are properties of an object',
    options: values(
      class extends SmallValues {
        override get(key: string): CachedValue | NoValue {
          return super.get(key) === NO_VALUE && key in {}
            ? ({ value: {}, metadata: {} } as CachedValue)
            : super.get(key);
        }
      },
    ),
    red: ['bad input: get() answers NO_VALUE for odd keys'],
  },
  {
    what: 'a lookup finds any key that begins alike',
    options: values(
      class extends SmallValues {
        override get(key: string): CachedValue | NoValue {
          const first = [...this.storage.entries].find(([other]) => other.startsWith(key));
          return first?.[1].item ?? NO_VALUE;
        }
      },
    ),
    red: ['basics: get() answers for one key only'],
  },
];
