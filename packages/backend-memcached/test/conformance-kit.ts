/**
 * The testkit on servers of this machine. Many of its tests do nothing but wait 3 s for a ttl: twenty run at a time, each
 * on servers of its own.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { beforeAll, describe, jest, test } from '@jest/globals';
import type { BackendContext } from '@stockpile/core';
import type { MemcachedOptions, RunningServer } from '@stockpile/servers';
import { describeBackend, type TestFunction } from '@stockpile/testkit';
import { MemcachedBackend } from '../src/index.js';
import { memjs } from '../src/memjs.js';
import { start, urlOf } from './helpers.js';

const AT_ONCE = 20;

type Fleet = readonly RunningServer[];

export function describeMemcached(name: string, servers: readonly MemcachedOptions[]): void {
  jest.setTimeout(30_000);
  const free: Fleet[] = [];
  const own = new AsyncLocalStorage<{ fleet?: Fleet }>();
  const connect = (context: BackendContext): MemcachedBackend =>
    new MemcachedBackend({ url: (own.getStore()?.fleet ?? []).map(urlOf) }, context);
  const queue: (() => Promise<void>)[] = [];
  beforeAll(() => {
    for (let i = 0; i < AT_ONCE; i++) void next();
  });
  async function next(): Promise<void> {
    for (let run = queue.shift(); run !== undefined; run = queue.shift()) await run();
  }
  const concurrent: TestFunction = (title, body) => {
    const done = new Promise<void>((resolve, reject) => {
      queue.push(() =>
        own.run({}, async () => {
          await body().then(resolve, reject);
          const { fleet } = own.getStore() ?? {};
          if (fleet !== undefined) free.push(fleet);
        }),
      );
    });
    done.catch(() => {}); // the test tells, once it is its turn
    test(title, () => done);
  };
  describeBackend({
    name,
    runner: { describe, test: Object.assign(concurrent, { skip: test.skip }) },
    create: async (context) => {
      const fleet = free.pop() ?? (await Promise.all(servers.map(start)));
      await Promise.all(fleet.map(empty));
      Object.assign(own.getStore() ?? {}, { fleet });
      return connect(context);
    },
    connect,
    stores: 'bytes',
    capabilities: ['ttl', 'locks', 'counters', 'compareAndSet', 'clear'],
    clock: 'system',
    ttlGranularity: 1000,
    maxValueBytes: 1_048_576 - 1024,
    skip: { "clear('') removes all": 'it would empty a store that others use; regions do not ask for it' },
  });
}

async function empty({ port, host, path }: RunningServer): Promise<void> {
  const server = port === 0 ? new memjs.Server('', path) : new memjs.Server(host, port);
  const client = new memjs.Client([server]);
  await client.flush();
  client.close();
}
