/** A Redis Cluster on this machine. */

import { answersPing, redisRecipe } from './redis.js';
import { ask } from './resp.js';
import { type RunningServer, startServer } from './server-process.js';
import { until } from './until.js';

export interface ClusterOptions {
  /** Default: 3, the fewest that can vote for a failover. */
  readonly masters?: number;
  /** Of each master. Default: 0. */
  readonly replicas?: number;
  /** Further arguments of each redis-server, such as `['--cluster-require-full-coverage', 'no']`. */
  readonly args?: readonly string[];
}

export interface Cluster {
  /** The masters, with equal shares of the slots in this order; then the replicas of the first, of the second, … */
  readonly nodes: RunningServer[];
  /** Stops all. */
  stop(): Promise<void>;
}

const SLOTS = 16_384;
/** ms without an answer after which a node counts as failed; a failover takes about twice as long. */
const NODE_TIMEOUT_MS = 1000;

/**
 * Resolves when every node knows every slot and replicas are in step. A node that is restarted keeps its identity, its
 * slots or its master, but no data.
 *
 * @throws ServerMissingError where there is no redis-server.
 */
export async function startRedisCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { masters = 3, replicas = 0, args = [] } = options;
  const recipe = redisRecipe(({ secondPort }) => [
    ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-port', String(secondPort)],
    ...['--cluster-node-timeout', String(NODE_TIMEOUT_MS), '--repl-diskless-sync-delay', '0'],
    ...args,
  ]);
  const bus = new Map<string, number>();
  const nodes = await startAll(masters * (1 + replicas), () =>
    startServer({
      ...recipe,
      ready: (place) => {
        bus.set(place.path, place.secondPort);
        return answersPing(place);
      },
    }),
  );
  try {
    await form(nodes, masters, replicas, bus);
  } catch (error) {
    await stopAll(nodes);
    throw error;
  }
  return { nodes, stop: () => stopAll(nodes) };
}

/** All or none. */
export async function startAll(count: number, start: (i: number) => Promise<RunningServer>): Promise<RunningServer[]> {
  const results = await Promise.allSettled(Array.from({ length: count }, (_, i) => start(i)));
  const failed = results.find((result) => result.status === 'rejected');
  const servers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  if (failed === undefined) return servers;
  await stopAll(servers);
  throw failed.reason;
}

export async function stopAll(servers: readonly RunningServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}

async function form(
  nodes: readonly RunningServer[],
  masters: number,
  replicas: number,
  bus: ReadonlyMap<string, number>,
): Promise<void> {
  for (const [i, { path }] of nodes.entries()) {
    await ask(path, 'CLUSTER', 'SET-CONFIG-EPOCH', i + 1); // nodes with the same one would argue
    if (i < masters) {
      const [first, next] = [i, i + 1].map((share) => Math.floor((share * SLOTS) / masters)) as [number, number];
      await ask(path, 'CLUSTER', 'ADDSLOTSRANGE', first, next - 1);
    }
  }
  for (const { path } of nodes) {
    for (const other of nodes) {
      if (other.path !== path) await ask(path, 'CLUSTER', 'MEET', other.host, other.port, bus.get(other.path) ?? 0);
    }
  }
  await everywhere(nodes, 'the nodes of the cluster know each other', async ({ path }) => {
    const lines = await describe(path);
    return lines.length === nodes.length && lines.every((line) => !/handshake|noaddr|fail/.test(line));
  });
  for (const [i, { path }] of nodes.slice(masters).entries()) {
    const master = nodes[Math.floor(i / replicas)];
    if (master !== undefined)
      await ask(path, 'CLUSTER', 'REPLICATE', String(await ask(master.path, 'CLUSTER', 'MYID')));
  }
  await everywhere(nodes, 'the cluster is complete', async (node) => {
    const lines = await describe(node.path);
    const slaves = lines.filter((line) => /\bslave\b/.test(line)).length;
    const info = String(await ask(node.path, 'CLUSTER', 'INFO'));
    const linked = !/master_link_status:down/.test(String(await ask(node.path, 'INFO', 'replication')));
    return (
      slaves === masters * replicas &&
      linked &&
      info.includes('cluster_state:ok') &&
      info.includes(`cluster_slots_ok:${SLOTS}`)
    );
  });
}

async function everywhere(
  nodes: readonly RunningServer[],
  what: string,
  condition: (node: RunningServer) => Promise<boolean>,
): Promise<void> {
  for (const node of nodes) await until(`${what}, as ${node.host}:${node.port} sees it`, () => condition(node));
}

/** A line for each node that this one knows. */
async function describe(path: string): Promise<string[]> {
  return String(await ask(path, 'CLUSTER', 'NODES'))
    .split('\n')
    .filter((line) => line !== '');
}
