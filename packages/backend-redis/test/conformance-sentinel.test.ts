/** `redis` passes the suite that every backend passes: on the master that sentinels name. */

import { afterAll, beforeAll } from '@jest/globals';
import { type RunningServer, startSentinels } from '@stockpile/servers';
import { describeRedis } from './helpers/conformance.js';

let group: Awaited<ReturnType<typeof startSentinels>>;
let master: RunningServer;
beforeAll(async () => {
  group = await startSentinels();
  master = await group.master();
}, 30_000);
afterAll(() => group.stop());

describeRedis('redis by sentinels', () => ({
  args: { sentinels: group.sentinels.map(({ port }) => `127.0.0.1:${port}`), name: group.name },
  nodes: [master],
}));
