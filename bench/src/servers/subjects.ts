/** What the gate examines on servers. Of a server that is not installed there is nothing to examine: it gets no numbers. */

import '@stockpile/backend-keyv';
import '@stockpile/backend-memcached';
import '@stockpile/backend-redis';
import { createRegion, type Region } from '@stockpile/core';
import { ours, type Subject } from '../gate.js';
import { Skip } from '../harness.js';
import { keyv } from '../peers.js';
import { bentoRedis } from './bento-redis.js';
import { keyvOverRedis } from './keyv-redis.js';
import { places, startMemcached, startRedis } from './start.js';

export async function serverSubjects(): Promise<readonly Subject[]> {
  const found = await Promise.all([overRedis(), overMemcached()].map((subjects) => subjects.catch(noneIfSkipped)));
  return [overKeyv(), ...found.flat()];
}

async function overRedis(): Promise<readonly Subject[]> {
  const { TCP: where } = places(await startRedis());
  const openBento = await bentoRedis();
  return [
    ours('redis', (expirationTime) => region().configure('redis', { expirationTime, arguments: where })),
    {
      name: 'keyv over Redis',
      claimsTypes: false,
      open: (ttlMs) => {
        const cache = keyvOverRedis(where, ttlMs);
        return {
          get: (key) => cache.get(key),
          set: (key, value) => cache.set(key, value),
          close: () => cache.disconnect(),
        };
      },
    },
    {
      name: 'bentocache over Redis',
      claimsTypes: false,
      open: (ttlMs, load) => {
        const cache = openBento(where, ttlMs);
        return {
          get: (key) => cache.get({ key }),
          set: (key, value) => cache.set({ key, value }),
          getOrCreate: (key) => cache.getOrSet({ key, factory: () => load(key) }),
          close: () => cache.disconnect(),
        };
      },
    },
  ];
}

async function overMemcached(): Promise<readonly Subject[]> {
  const { port } = await startMemcached();
  const url = `127.0.0.1:${port}`;
  return [
    ours('memcached', (expirationTime) => region().configure('memcached', { expirationTime, arguments: { url } })),
  ];
}

function overKeyv(): Subject {
  return ours('keyv backend', (expirationTime) =>
    region().configure('keyv', { expirationTime, arguments: { store: keyv(expirationTime) } }),
  );
}

let regions = 0;

/** With a namespace of its own: the checks run at once, on one server. */
function region(): Region<object> {
  return createRegion<object>({ name: `gate-${++regions}` });
}

function noneIfSkipped(error: unknown): readonly Subject[] {
  if (error instanceof Skip) return [];
  throw error;
}
