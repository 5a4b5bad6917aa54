/** Which server has which key: a single one, or the nodes of a cluster. */

import type { ServerState } from '@stockpile/core';
import type { Cluster, Redis } from 'ioredis';
import {
  ClientEndpoint,
  connectCluster,
  ignore,
  isLive,
  OwnEndpoint,
  openCluster,
  openRedis,
  ready,
  subscriberOf,
} from './connect.js';
import { clusterLockKey, lockKey } from './key-names.js';
import { type Endpoint, Link } from './link.js';
import type { RedisSettings } from './options.js';
import { slotOf } from './slots.js';

export interface Topology {
  /** Equal for all who use the same server or cluster. */
  readonly identity: string;
  readonly db: number;
  /** Keys of one command must have one slot. */
  readonly isCluster: boolean;
  lockKey(key: string): string;
  /** Until keys can be told apart by server; undefined: they can. */
  ready(since: number): Promise<void> | undefined;
  linkOf(key: string): Link;
  /** `server`: a node as redirections name it, `host:port`, which may be new. */
  linkAt(server: string): Link;
  /** All servers that hold entries. */
  masters(): readonly Link[];
  /** Looks again who has what. */
  refresh(): Promise<void>;
  servers(): readonly ServerState[];
  /** A further connection, for subscriptions, in the hands of the caller. */
  openSubscriber(): Promise<Redis>;
  close(): Promise<void>;
}

export function topologyOf(settings: RedisSettings, timeout: number): Topology {
  const { client } = settings;
  const isCluster = client === undefined ? settings.cluster !== undefined : client.isCluster;
  return isCluster ? new Nodes(settings, timeout) : new SingleServer(settings, timeout);
}

class SingleServer implements Topology {
  readonly identity: string;
  readonly db: number;
  readonly isCluster = false;
  readonly #link: Link;
  readonly #own: OwnEndpoint | undefined;
  readonly #borrowed: ClientEndpoint | undefined;

  constructor(
    private readonly settings: RedisSettings,
    private readonly timeout: number,
  ) {
    const { client, server, db } = settings;
    this.identity = `${server}/${db}`;
    this.db = db;
    if (client === undefined) this.#own = new OwnEndpoint(settings, timeout);
    else this.#borrowed = new ClientEndpoint(client as Redis, server);
    this.#link = new Link((this.#own ?? this.#borrowed) as Endpoint, timeout);
  }

  lockKey(key: string): string {
    return lockKey(key);
  }

  ready(): undefined {}

  linkOf(): Link {
    return this.#link;
  }

  linkAt(): Link {
    return this.#link;
  }

  masters(): readonly Link[] {
    return [this.#link];
  }

  async refresh(): Promise<void> {}

  servers(): readonly ServerState[] {
    return [this.#link.state];
  }

  async openSubscriber(): Promise<Redis> {
    const { client } = this.settings;
    if (client === undefined) return openRedis(this.settings, this.timeout);
    return subscriberOf(client as Redis);
  }

  async close(): Promise<void> {
    await this.#link.close();
    this.#own?.drop();
    this.#borrowed?.close();
  }
}

/** Of ioredis, without types: nodes get in by their slots, and one that is new has none yet. */
interface NodePool {
  readonly connectionPool: { findOrCreate(node: { readonly host: string; readonly port: number }): unknown };
}

/** Failures call for another look at the layout, but not each of them, ms. */
const REFRESH_PAUSE_MS = 300;

class Nodes implements Topology {
  readonly identity: string;
  readonly db = 0;
  readonly isCluster = true;
  readonly #cluster: Cluster;
  readonly #isOwn: boolean;
  /** To any of the nodes that are known, for the layout. */
  readonly #entry: Link;
  readonly #links = new Map<string, Link>();
  #refreshedAt = -Infinity;
  #refreshing: Promise<void> | undefined;
  #connecting: Promise<Redis> | undefined;

  constructor(
    settings: RedisSettings,
    private readonly timeout: number,
  ) {
    this.identity = settings.server;
    this.#isOwn = settings.client === undefined;
    this.#cluster = this.#isOwn ? openCluster(settings, timeout) : (settings.client as Cluster);
    if (!this.#isOwn) this.#cluster.on('error', ignore);
    this.#entry = new Link(
      {
        server: settings.server,
        live: undefined,
        connect: () => {
          this.#connecting ??= this.#connect().finally(() => {
            this.#connecting = undefined;
          });
          return this.#connecting;
        },
        drop: () => {},
      },
      timeout,
    );
  }

  lockKey(key: string): string {
    return clusterLockKey(key);
  }

  ready(since: number): Promise<void> | undefined {
    if (this.#cluster.status === 'ready') return undefined;
    return this.#entry.run(async () => {}, since);
  }

  linkOf(key: string): Link {
    const node = this.#cluster.slots[slotOf(key)]?.[0];
    return node === undefined ? this.#entry : this.#link(node);
  }

  linkAt(server: string): Link {
    const colon = server.lastIndexOf(':');
    const { connectionPool } = this.#cluster as unknown as NodePool;
    connectionPool.findOrCreate({ host: server.slice(0, colon), port: Number(server.slice(colon + 1)) });
    return this.#link(server);
  }

  masters(): readonly Link[] {
    const names = new Set<string>();
    for (const nodes of this.#cluster.slots) if (nodes?.[0] !== undefined) names.add(nodes[0]);
    return [...names].map((name) => this.#link(name));
  }

  refresh(): Promise<void> {
    this.#refreshing ??= new Promise<void>((resolve) => {
      this.#refreshedAt = performance.now();
      this.#cluster.refreshSlotsCache(() => resolve());
    }).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  servers(): readonly ServerState[] {
    const masters = this.masters();
    return masters.length === 0 ? [this.#entry.state] : masters.map((link) => link.state);
  }

  async openSubscriber(): Promise<Redis> {
    await this.ready(performance.now());
    // a message reaches all nodes: any that answers will do
    const nodes = this.#cluster.nodes('master').sort((a, b) => Number(isLive(b)) - Number(isLive(a)));
    let failure: unknown = new Error('no node of the cluster is known');
    for (const node of nodes) {
      try {
        return await subscriberOf(node);
      } catch (error) {
        failure = error;
      }
    }
    void this.refresh();
    throw failure;
  }

  async close(): Promise<void> {
    await Promise.all([this.#entry.close(), ...[...this.#links.values()].map((link) => link.close())]);
    if (!this.#isOwn) {
      this.#cluster.off('error', ignore);
      return;
    }
    const nodes = this.#cluster.nodes();
    this.#cluster.disconnect();
    for (const node of nodes) node.stream?.destroy();
  }

  #link(name: string): Link {
    let link = this.#links.get(name);
    if (link === undefined) {
      link = new Link(new NodeEndpoint(name, this.#cluster, this), this.timeout, () => this.#lookSoon());
      this.#links.set(name, link);
    }
    return link;
  }

  #lookSoon(): void {
    if (performance.now() - this.#refreshedAt > REFRESH_PAUSE_MS) void this.refresh();
  }

  async #connect(): Promise<Redis> {
    const cluster = this.#cluster;
    if (cluster.status === 'connecting' || cluster.status === 'connect' || cluster.status === 'reconnecting') {
      await new Promise<void>((resolve, reject) => {
        const end = (): void => reject(new Error('none of the nodes of the cluster answers'));
        cluster.once('ready', () => {
          cluster.off('close', end);
          resolve();
        });
        cluster.once('close', end);
      });
    } else if (cluster.status !== 'ready') {
      if (!this.#isOwn && cluster.status !== 'wait') throw new Error('the client was closed');
      await connectCluster(cluster);
    }
    const [node] = cluster.nodes('master');
    if (node === undefined) throw new Error('no node of the cluster is known');
    return node;
  }
}

/** One node: its connection is in the pool of the cluster. */
class NodeEndpoint implements Endpoint {
  constructor(
    readonly server: string,
    private readonly cluster: Cluster,
    private readonly nodes: Nodes,
  ) {}

  get #redis(): Redis | undefined {
    return this.cluster.nodes().find(({ options: { host, port } }) => `${host}:${port}` === this.server);
  }

  get live(): Redis | undefined {
    const redis = this.#redis;
    return redis !== undefined && isLive(redis) ? redis : undefined;
  }

  async connect(): Promise<Redis> {
    let redis = this.#redis;
    if (redis === undefined) {
      await this.nodes.refresh(); // a node whose connection ended is known again after it
      redis = this.#redis;
    }
    if (redis === undefined) throw new Error('it is no node of the cluster any more');
    await ready(redis);
    return redis;
  }

  drop(): void {
    this.#redis?.stream?.destroy();
  }
}
