/** The testkit over every kind of store. Those over real servers are in interop/. */

import { afterAll, describe, jest, test } from '@jest/globals';
import { KeyvBackend, type KeyvStore } from '@stockpile/backend-keyv';
import type { BackendContext, Capability } from '@stockpile/core';
import { describeBackend } from '@stockpile/testkit';
import { Keyv } from 'keyv';
import { Keyv as Keyv6 } from 'keyv-6';
import { Adapter5, Adapter6, ManyAdapter5, UNSERIALISED } from './stores.js';

const MAP: readonly Capability[] = ['sync', 'ttl', 'enumerate', 'clear'];
const ASYNC: readonly Capability[] = ['ttl', 'enumerate', 'clear'];

/** Each makes a store, and a way to another one on the same entries. */
const MAPS: Readonly<Record<string, (map: Map<string, unknown>) => KeyvStore>> = {
  'a Map': (map) => map,
  'Keyv 5 with a Map': (store) => new Keyv({ store }),
  'Keyv 5 with a Map, without serialisation': (store) => new Keyv({ store, ...UNSERIALISED }),
  'Keyv 6 with a Map': (store) => new Keyv6({ store, namespace: 'app' }),
  'Keyv 6 with a Map, without serialisation': (store) => new Keyv6({ store, serialization: false }),
};

/** Where Keyv's own methods are called. */
const STORES: Readonly<Record<string, () => KeyvStore>> = {
  'Keyv 5 with statistics': () => new Keyv({ stats: true }),
  'Keyv 5 over an adapter': () => new Keyv({ store: new Adapter5() }),
  'Keyv 5 over an adapter with many': () => new Keyv({ store: new ManyAdapter5(), namespace: 'a:b' }),
  'Keyv 5 with a serialiser of its own': () =>
    new Keyv({ store: new Adapter5(), serialize: JSON.stringify, deserialize: JSON.parse }),
  'Keyv 5 without a key prefix': () => new Keyv({ store: new Adapter5(), useKeyPrefix: false, namespace: '' }),
  'Keyv 6 with statistics': () => new Keyv6({ stats: true }),
  'Keyv 6 over an adapter of version 5': () => new Keyv6({ store: new ManyAdapter5(), namespace: 'app' }),
  'Keyv 6 over an adapter': () => new Keyv6({ store: new Adapter6() as never }),
  'Keyv 6 with a serialiser of its own': () =>
    new Keyv6({ store: new Adapter6() as never, serialization: { stringify: JSON.stringify, parse: JSON.parse } }),
  'an adapter of version 5': () => new ManyAdapter5(),
  'an adapter of version 6': () => new Adapter6(),
};

const shared = { runner: { describe, test }, stores: 'bytes', clock: 'injected' } as const;

/** Keyv judges by the time of the system: here that is the kit's. */
const systemNow = jest.spyOn(Date, 'now');
afterAll(() => systemNow.mockRestore());
const takeTime = ({ clock }: BackendContext): void => void systemNow.mockImplementation(() => clock.now());

for (const [name, open] of Object.entries(MAPS)) {
  let map = new Map<string, unknown>();
  describeBackend({
    ...shared,
    name: `keyv over ${name}`,
    create: (context) => {
      takeTime(context);
      map = new Map();
      return new KeyvBackend({ ...context, store: open(map) });
    },
    connect: (context) => new KeyvBackend({ ...context, store: open(map) }),
    capabilities: MAP,
  });
}

const lazy = 'Keyv frees an entry when it is read; until then it is there for a store that knows no ttl';

for (const [name, open] of Object.entries(STORES)) {
  let store = open();
  describeBackend({
    ...shared,
    name: `keyv over ${name}`,
    create: (context) => {
      takeTime(context);
      store = open();
      return new KeyvBackend({ ...context, store });
    },
    connect: (context) => new KeyvBackend({ ...context, store }),
    capabilities: ASYNC,
    skip: { 'delete() answers false after the ttl': lazy, 'deleteMulti() does not count entries past their ttl': lazy },
  });
}
