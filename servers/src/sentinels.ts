/** A Redis master with replicas, watched by sentinels that promote a replica when the master is gone. */

import { answersPing, redisRecipe, redisServer } from './redis.js';
import { startAll, stopAll } from './redis-cluster.js';
import { ask } from './resp.js';
import { type Place, type Recipe, type RunningServer, startServer } from './server-process.js';
import { until } from './until.js';

export interface SentinelsOptions {
  /** Default: 1. */
  readonly replicas?: number;
  /** Default: 3. */
  readonly sentinels?: number;
  /** Further arguments of each redis-server; the sentinels get none. */
  readonly args?: readonly string[];
}

export interface Sentinels {
  /** Of the master, as clients ask for it. */
  readonly name: string;
  readonly sentinels: RunningServer[];
  /** The master first, as it was at the start. */
  readonly redis: RunningServer[];
  /** Which one the sentinels name now: until they have noticed, that may be one that is gone. */
  master(): Promise<RunningServer>;
  /** Stops all. */
  stop(): Promise<void>;
}

const NAME = 'stockpile';
/** ms without an answer after which a sentinel believes that a server is gone. */
const DOWN_AFTER_MS = 600;
/** ms after which a failover that failed is tried again, about. */
const FAILOVER_MS = 2000;
/**
 * ms; shorter than a sentinel's own, so that it learns and acts sooner. It promotes no replica whose last INFO is older
 * than five ping periods, and then asks once a second: that sets a limit. Nor may a machine that stands still for a
 * while make it stand back ("tilt").
 */
const PERIODS = [
  ...['info-period', 200, 'ping-period', 500, 'ask-period', 100, 'publish-period', 200],
  ...['tilt-trigger', 60_000],
];

/**
 * Resolves when the sentinels know each other and the replicas, and these are in step.
 * @throws ServerMissingError where there is no redis-server.
 */
export async function startSentinels(options: SentinelsOptions = {}): Promise<Sentinels> {
  const { replicas = 1, sentinels: count = 3, args = [] } = options;
  const common = [...['--repl-diskless-sync-delay', '0'], ...args];
  const master = await startServer(redisRecipe(() => common));
  const servers = [master];
  try {
    const follow = ['--replicaof', master.host, String(master.port)];
    servers.push(...(await startAll(replicas, () => startServer(redisRecipe(() => [...follow, ...common])))));
    const redis = [...servers];
    const recipe = sentinelRecipe(master, Math.floor(count / 2) + 1);
    const sentinels = await startAll(count, () => startServer(recipe));
    servers.push(...sentinels);
    for (const { path } of redis.slice(1)) {
      await until('a replica follows', async () =>
        /master_link_status:up/.test(String(await ask(path, 'INFO', 'replication'))),
      );
    }
    for (const { path } of sentinels) await until('a sentinel knows all', () => knowsAll(path, replicas, count - 1));
    return { name: NAME, sentinels, redis, master: () => named(sentinels, redis), stop: () => stopAll(servers) };
  } catch (error) {
    await stopAll(servers);
    throw error;
  }
}

function sentinelRecipe(master: RunningServer, quorum: number): Recipe {
  const file = ({ folder }: Place): string => `${folder}/sentinel.conf`;
  return {
    program: redisServer(),
    args: (place) => [file(place), '--sentinel'],
    // a sentinel keeps its knowledge there as well
    files: ({ port, path, folder }) => ({
      'sentinel.conf': [
        ...[`bind 127.0.0.1`, `port ${port}`, `unixsocket ${path}`, `dir ${folder}`, 'daemonize no'],
        `sentinel monitor ${NAME} ${master.host} ${master.port} ${quorum}`,
        `sentinel down-after-milliseconds ${NAME} ${DOWN_AFTER_MS}`,
        `sentinel failover-timeout ${NAME} ${FAILOVER_MS}`,
        '',
      ].join('\n'),
    }),
    async ready(place) {
      if (!(await answersPing(place))) return false;
      await ask(place.path, 'SENTINEL', 'DEBUG', ...PERIODS);
      return true;
    },
  };
}

async function knowsAll(path: string, replicas: number, others: number): Promise<boolean> {
  const fields = (await ask(path, 'SENTINEL', 'MASTER', NAME)) as readonly string[];
  const field = (name: string): string | undefined => fields[fields.indexOf(name) + 1];
  const counts = [field('num-slaves'), field('num-other-sentinels')];
  if (field('flags') !== 'master' || counts[0] !== String(replicas) || counts[1] !== String(others)) return false;
  const slaves = (await ask(path, 'SENTINEL', 'REPLICAS', NAME)) as readonly (readonly string[])[];
  return slaves.every((slave) => slave[slave.indexOf('master-link-status') + 1] === 'ok');
}

/** What the first sentinel says that answers. */
async function named(sentinels: readonly RunningServer[], redis: readonly RunningServer[]): Promise<RunningServer> {
  const address = await Promise.any(
    sentinels.map(({ path }) => ask(path, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME)),
  );
  const port = Array.isArray(address) ? Number(address[1]) : Number.NaN;
  const master = redis.find((server) => server.port === port);
  if (master === undefined) throw new Error(`the sentinels name a master that is none of theirs: ${String(address)}`);
  return master;
}
