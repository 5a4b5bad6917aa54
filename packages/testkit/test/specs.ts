/** The options of the suite for the small backend and its broken variants. */

import type { BackendContext, CachedValue } from '@stockpile/core';
import type { DescribeBackendOptions, Driver } from '../src/index.js';
import { MAX_BYTES, SmallBytes, SmallValues, Storage } from './small-backend.js';

export type Options = Omit<DescribeBackendOptions, 'runner'>;
type Make<T, D> = new (storage: Storage<T>, clock: BackendContext['clock']) => D;

export function values(make: Make<CachedValue, SmallValues> = SmallValues): Options {
  return options('values', make, new SmallValues(new Storage(), { now: () => 0 }).capabilities);
}

export function bytes(make: Make<Uint8Array, SmallBytes> = SmallBytes): Options {
  return options('bytes', make, new SmallBytes(new Storage(), { now: () => 0 }).capabilities);
}

function options<T, D extends Driver>(
  stores: 'values' | 'bytes',
  make: Make<T, D>,
  capabilities: Options['capabilities'],
): Options {
  let storage = new Storage<T>();
  return {
    name: 'small',
    create({ clock }) {
      storage = new Storage<T>();
      return new make(storage, clock);
    },
    connect: ({ clock }) => new make(storage, clock),
    stores,
    capabilities,
    clock: 'injected',
    fenced: true,
    maxValueBytes: MAX_BYTES,
  };
}
