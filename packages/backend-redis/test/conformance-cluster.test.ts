/** `redis` passes the suite that every backend passes: on a cluster of three nodes. */

import { afterAll, beforeAll } from '@jest/globals';
import { startRedisCluster } from '@stockpile/servers';
import { describeRedis } from './helpers/conformance.js';

let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
beforeAll(async () => {
  cluster = await startRedisCluster();
}, 30_000);
afterAll(() => cluster.stop());

describeRedis(
  'redis cluster',
  () => ({ args: { cluster: cluster.nodes.map(({ port }) => `127.0.0.1:${port}`) }, nodes: cluster.nodes }),
  {
    'subscribe() with a listener that throws harms neither the writer nor other listeners':
      'it expects an order of events of two keys, which are on two nodes; cluster.test.ts looks at the rest',
  },
);
