/** One server, behind a proxy or bare; and three of them, of which one has the trouble. */

import { setTimeout as after } from 'node:timers/promises';
import { type Fault, FaultProxy, type RunningServer, startMemcached, startRedis } from '@stockpile/servers';
import { pause } from './pause.js';
import type { Stage, Trouble } from './stage.js';
import type { BackendName, OutageTask } from './task.js';

/** Of connections that flap. */
const LOSSES: readonly Fault[] = ['reset', 'fin', 'finAfterHalf'];
const LONGEST_UP_MS = 250;
const DOWN_MS = 10;

/** A server that may be paused, killed or restarted, and a proxy in front of it. */
class Troubled implements AsyncDisposable {
  #trouble: Trouble | undefined;
  #flapping: Promise<void> | undefined;

  constructor(
    private readonly server: RunningServer,
    private readonly proxy: FaultProxy | undefined,
  ) {}

  get port(): number {
    return (this.proxy ?? this.server).port;
  }

  get connections(): number {
    return this.proxy?.accepted ?? 0;
  }

  async inject(trouble: Trouble): Promise<void> {
    this.#trouble = trouble;
    if (trouble === 'pause') await pause(this.server);
    else if (trouble === 'kill') await this.server.kill();
    else if (trouble === 'restart') await this.server.restart();
    else if (trouble === 'flap') this.#flapping = this.#flap();
    else await this.proxy?.fault(trouble);
  }

  async heal(): Promise<void> {
    if (this.#trouble === 'pause') this.server.resume();
    else if (this.#trouble === 'kill') await this.server.restart();
    this.#trouble = undefined;
    await this.#flapping;
    await this.proxy?.heal();
  }

  async #flap(): Promise<void> {
    while (this.#trouble === 'flap') {
      await after(Math.random() * LONGEST_UP_MS);
      const [kind] = [...LOSSES].sort(() => Math.random() - 0.5) as [Fault];
      await this.proxy?.fault(kind);
      await after(DOWN_MS);
      await this.proxy?.heal();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#trouble = undefined;
    await this.#flapping;
    await this.proxy?.close();
    await this.server.stop();
  }
}

async function start(backend: BackendName, seed: number | undefined): Promise<Troubled> {
  const server = await (backend === 'memcached' ? startMemcached() : startRedis());
  return new Troubled(server, seed === undefined ? undefined : await FaultProxy.open({ port: server.port }, { seed }));
}

/** With `seed`, that of the garbage, behind a proxy. */
export async function singleServer(backend: BackendName, seed?: number): Promise<Stage> {
  const server = await start(backend, seed);
  return {
    args: argsOf(backend, server.port),
    inject: (trouble) => server.inject(trouble),
    heal: () => server.heal(),
    connections: () => server.connections,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function argsOf(backend: BackendName, port: number): OutageTask['args'] {
  return backend === 'memcached' ? { url: `127.0.0.1:${port}` } : { host: '127.0.0.1', port };
}

/** Three memcached servers, of which the second has the trouble. */
export async function threeMemcached(options: { readonly seed?: number; readonly failover?: boolean }): Promise<Stage> {
  const servers = await Promise.all([1, 2, 3].map(() => start('memcached', options.seed)));
  const [, second] = servers as [Troubled, Troubled, Troubled];
  return {
    args: { url: servers.map(({ port }) => `127.0.0.1:${port}`).join(), failover: options.failover ?? false },
    inject: (trouble) => second.inject(trouble),
    heal: () => second.heal(),
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()));
    },
  };
}
