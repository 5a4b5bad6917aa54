/** A host, as far as the others can tell: a process that shares nothing with them but the servers. */

import { openSync, writeSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import type { MemcachedArguments } from '@stockpile/backend-memcached';
import type { RedisArguments } from '@stockpile/backend-redis';
import { createRegion, NO_VALUE, type Region } from '@stockpile/core';
import { ABSENT, type CreationId, creationId, DAMAGED, type HostsTask, noteOf } from '../outages/hosts-task.js';
import { checkedValue, isIntact } from './checked-value.js';
import { serve } from './serve.js';

const WATCH_MS = 10;

const task = JSON.parse(process.argv[2] as string) as HostsTask;
const region = open();
const notes = openSync(task.notes, 'a');
let count = 0;
let finishWatching = async (): Promise<CreationId[][]> => [];

function open(): Region {
  // nobody gives up: a second creator has no excuse
  const options = { lockTimeout: '1m', timeout: '5s' } as const;
  const made = createRegion({ name: 'hosts' });
  const { backend, args, lease } = task;
  return backend === 'memcached'
    ? made.configure('memcached', { ...options, arguments: { ...(args as MemcachedArguments), lease } })
    : made.configure('redis', { ...options, arguments: { ...(args as RedisArguments), lease } });
}

function idOf(value: unknown, key: string): CreationId {
  if (value === NO_VALUE) return ABSENT;
  return isIntact(value, key) ? value.n : DAMAGED;
}

async function create(key: string): Promise<unknown> {
  const id = creationId(process.pid, ++count);
  writeSync(notes, noteOf('began', key, id));
  const [shortest, longest] = task.creation;
  await after(shortest + Math.random() * (longest - shortest));
  writeSync(notes, noteOf('ended', key, id));
  return checkedValue(key, id, 40);
}

serve({
  /** Wants all keys at once, in an order of its own. What it got, aligned. */
  async herd(keys: readonly string[]) {
    const order = keys.toSorted(() => Math.random() - 0.5);
    const got = new Map<string, CreationId>();
    await Promise.all(
      order.map(async (key) => got.set(key, idOf(await region.getOrCreate(key, () => create(key)), key))),
    );
    return keys.map((key) => got.get(key));
  },
  /** From now on, looks what is stored. */
  watch(keys: readonly string[]) {
    const seen = keys.map(() => new Set<CreationId>());
    const look = async (): Promise<void> => {
      const values = await region.getMulti(keys);
      for (const [i, key] of keys.entries()) seen[i]?.add(idOf(values[i], key));
    };
    let running = true;
    const looking = (async () => {
      for (; running; await after(WATCH_MS)) await look();
    })();
    finishWatching = async () => {
      running = false;
      await looking;
      await look();
      return seen.map((ids) => [...ids].filter((id) => id !== ABSENT));
    };
  },
  /** Each different value that was found stored since, by key, aligned. */
  watched: () => finishWatching(),
  delete: (keys: readonly string[]) => region.deleteMulti(keys),
  async ready() {
    await region.get('k');
  },
});
