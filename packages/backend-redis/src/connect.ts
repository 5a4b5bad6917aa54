/** Connections that the driver opens itself: one attempt each, no queues and no background work, nothing printed. */

import { withDeadline } from '@stockpile/core';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { firstReply, greet } from './greeting.js';
import type { Endpoint } from './link.js';
import type { RedisSettings } from './options.js';
import { readReplies } from './reply-reader.js';

/** ioredis waits so long, ms, for the other side to end its half before it destroys a socket. */
const DISCONNECT_MS = 100;

/** What every connection of ours is made with. A new one is made on demand; ioredis does nothing by itself. */
function commonOptions(timeout: number) {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    enableReadyCheck: false, // asks INFO, and prints where an ACL forbids it
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false, // an INCR would run twice
    retryStrategy: () => null,
    connectTimeout: timeout,
    disconnectTimeout: DISCONNECT_MS,
    disableClientInfo: true,
    protocol: 2, // nothing of RESP3 is needed; without HELLO the handshake is ours
  } satisfies RedisOptions;
}

/**
 * Connects and introduces itself. AUTH and SELECT are sent from here: by itself ioredis prints warnings about the
 * first, and goes on in database 0 where the second fails.
 */
export async function openRedis(
  settings: RedisSettings,
  timeout: number,
  onMade?: (redis: Redis) => void,
): Promise<Redis> {
  const { username, password, db, tls, sentinels } = settings;
  const redis = new Redis({
    ...commonOptions(timeout),
    ...(tls && { tls }),
    ...(sentinels === undefined
      ? settings.address
      : {
          sentinels: [...sentinels.nodes],
          name: sentinels.name,
          ...(sentinels.username !== undefined && { sentinelUsername: sentinels.username }),
          ...(sentinels.password !== undefined && { sentinelPassword: sentinels.password }),
          ...(tls && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
          sentinelRetryStrategy: () => null,
          sentinelCommandTimeout: Math.min(timeout, 1000),
          connectTimeout: Math.min(timeout, 1000),
          updateSentinels: false,
        }),
  });
  redis.on('error', ignore);
  onMade?.(redis);
  await ready(redis);
  redis.stream.unref(); // a call that waits keeps the process alive, by its deadline
  readReplies(redis);
  const introduce = async (): Promise<void> => {
    if (password === undefined) await greet(redis);
    else await firstReply(username === undefined ? redis.auth(password) : redis.auth(username, password));
    if (db !== 0) await redis.select(db);
    if (sentinels !== undefined) await refuseReplica(redis);
  };
  try {
    await withDeadline(introduce(), timeout, () => new Error(`no answer to PING, AUTH or SELECT within ${timeout} ms`));
  } catch (error) {
    discard(redis);
    throw error;
  }
  return redis;
}

/** Sentinels may still name the old master. Who may not ask is let pass. */
async function refuseReplica(redis: Redis): Promise<void> {
  const role: unknown = await redis.call('ROLE').catch(() => undefined);
  if (Array.isArray(role) && role[0] !== 'master') throw new Error('the sentinels named a server that is no master');
}

const underWay = new WeakMap<Redis, Promise<void>>();

/** Until `redis` takes commands, or its attempt to connect has failed: then with the reason. */
export function ready(redis: Redis): Promise<void> {
  let waiting = underWay.get(redis);
  if (waiting === undefined) {
    waiting = becomeReady(redis).finally(() => underWay.delete(redis));
    underWay.set(redis, waiting);
  }
  return waiting;
}

function becomeReady(redis: Redis): Promise<void> {
  return new Promise((resolve, reject) => {
    let reason: unknown;
    const leave = (settle: () => void): void => {
      redis.off('error', note);
      redis.off('ready', succeed);
      redis.off('close', fail);
      redis.off('end', fail);
      settle();
    };
    const note = (error: unknown): void => {
      reason = error;
    };
    const succeed = (): void => leave(resolve);
    const fail = (error?: unknown): void =>
      leave(() => reject(reason ?? (error instanceof Error ? error : new Error('the connection was closed'))));
    redis.on('error', note);
    if (redis.status === 'ready') return succeed();
    if (redis.status === 'end') return fail();
    redis.on('ready', succeed);
    redis.on('close', fail);
    redis.on('end', fail);
    if (redis.status === 'wait') redis.connect().then(succeed, (error: unknown) => setImmediate(fail, error));
  });
}

/** Without a listener ioredis prints errors. */
export function ignore(): void {}

/** Whether commands can be written now. */
export function isLive(redis: Redis): boolean {
  return redis.status === 'ready' && redis.stream?.writable === true;
}

/** Ends a connection at once; what waits on it is rejected. */
export function discard(redis: Redis): void {
  redis.disconnect();
  redis.stream?.destroy();
}

/** A single server, or the master that sentinels name. A connection of its own for each attempt. */
export class OwnEndpoint implements Endpoint {
  readonly server: string;
  #redis: Redis | undefined;
  #opening: Promise<Redis> | undefined;

  constructor(
    private readonly settings: RedisSettings,
    private readonly timeout: number,
  ) {
    this.server = settings.server;
  }

  get live(): Redis | undefined {
    const redis = this.#redis;
    return this.#opening === undefined && redis !== undefined && isLive(redis) ? redis : undefined;
  }

  connect(): Promise<Redis> {
    if (this.#opening !== undefined) return this.#opening;
    if (this.#redis !== undefined) discard(this.#redis);
    let own: Redis | undefined;
    const opening = openRedis(this.settings, this.timeout, (redis) => {
      own = redis;
      this.#redis = redis;
    }).finally(() => {
      if (this.#redis === own) this.#opening = undefined;
    });
    opening.catch(() => {
      if (own !== undefined) discard(own);
    });
    this.#opening = opening;
    return opening;
  }

  drop(): void {
    if (this.#redis !== undefined) discard(this.#redis);
    this.#redis = undefined;
    this.#opening = undefined;
  }
}

/** The application's client, which is never closed here. */
export class ClientEndpoint implements Endpoint {
  readonly #ignore = (): void => {};

  constructor(
    private readonly client: Redis,
    readonly server: string,
  ) {
    client.on('error', this.#ignore);
  }

  get live(): Redis | undefined {
    return isLive(this.client) ? this.client : undefined;
  }

  async connect(): Promise<Redis> {
    await ready(this.client);
    return this.client;
  }

  drop(): void {}

  close(): void {
    this.client.off('error', this.#ignore);
  }
}

/** A connection like that of `redis` with none of its ways of waiting. */
export async function subscriberOf(redis: Redis): Promise<Redis> {
  const own = redis.duplicate({
    lazyConnect: true,
    retryStrategy: () => null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    readOnly: false,
    enableAutoPipelining: false,
    keyPrefix: '',
  });
  own.on('error', ignore);
  await ready(own);
  own.stream.unref();
  return own;
}

/** ioredis finds the nodes of a cluster and keeps their connections; it neither queues nor repeats commands. */
export function openCluster(settings: RedisSettings, timeout: number): Cluster {
  const { username, password, tls, cluster = [] } = settings;
  const { retryStrategy: _, enableOfflineQueue: __, ...common } = commonOptions(timeout);
  const nodes = new Cluster(
    cluster.map(({ host, port }) => ({ host, port })),
    {
      lazyConnect: true,
      enableOfflineQueue: false,
      enableReadyCheck: false,
      clusterRetryStrategy: () => null,
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      slotsRefreshInterval: 0, // a timer that would keep the process alive: refreshed on failures instead
      slotsRefreshTimeout: Math.min(timeout, 500),
      redisOptions: {
        ...common,
        connectTimeout: Math.min(timeout, 1000),
        socketTimeout: 2 * timeout, // for what ioredis asks by itself
        ...(tls && { tls }),
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
      },
    },
  );
  nodes.on('error', ignore);
  const prepare = (node: Redis): Redis => {
    node.on('error', ignore);
    node.on('connect', () => {
      node.stream.unref();
      readReplies(node);
    });
    return node;
  };
  nodes.on('+node', (node: Redis) => {
    prepare(node);
    const { duplicate } = node;
    node.duplicate = (override) => prepare(duplicate.call(node, override)); // ioredis asks one for the layout
  });
  return nodes;
}

/** ioredis rejects without the reason, which it has told before. */
export function connectCluster(cluster: Cluster): Promise<void> {
  let reason: unknown;
  const note = (error: Error & { readonly lastNodeError?: unknown }): void => {
    reason = error.lastNodeError ?? reason ?? error;
  };
  cluster.on('error', note);
  cluster.on('node error', note);
  const connected = cluster
    .connect()
    .catch((error: unknown) => Promise.reject(reason ?? error))
    .finally(() => {
      cluster.off('error', note);
      cluster.off('node error', note);
    });
  return firstReply(connected);
}
