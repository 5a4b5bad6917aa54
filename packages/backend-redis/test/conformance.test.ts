/** `redis` passes the suite that every backend passes: on a single server. */

import { afterAll, beforeAll } from '@jest/globals';
import { startRedis } from '@stockpile/servers';
import { describeRedis, type Place } from './helpers/conformance.js';

let server: Awaited<ReturnType<typeof startRedis>>;
beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describeRedis('redis', (): Place => ({ args: { port: server.port }, nodes: [server] }));
