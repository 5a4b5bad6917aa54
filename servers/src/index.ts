/**
 * Real servers of this machine for tests, benchmarks, lab and demo, a proxy between them and a client that does harm,
 * and further processes of a test.
 */

export { FaultProxy, type Target } from './fault-proxy.js';
export { FAULTS, type Fault } from './faults.js';
export { type MemcachedOptions, startMemcached } from './memcached.js';
export { onPath, ServerMissingError, serverVersions } from './on-path.js';
export { killPeers, Peer } from './peer.js';
export { provideServers } from './provide.js';
export { type RedisOptions, startRedis } from './redis.js';
export { type Cluster, type ClusterOptions, startRedisCluster } from './redis-cluster.js';
export { type Sentinels, type SentinelsOptions, startSentinels } from './sentinels.js';
export type { RunningServer } from './server-process.js';
