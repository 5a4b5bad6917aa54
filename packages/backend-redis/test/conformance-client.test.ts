/** `redis` passes the suite that every backend passes: through clients of the application, plain and with its own options. */

import { afterAll, beforeAll } from '@jest/globals';
import { type RunningServer, startRedis } from '@stockpile/servers';
import { Redis } from 'ioredis';
import { describeRedis } from './helpers/conformance.js';

let server: RunningServer;
let client: Redis;
beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.port, { db: 3, enableAutoPipelining: true });
});
afterAll(async () => {
  client.disconnect();
  await server.stop();
});

describeRedis("redis through the application's client", () => ({ args: { client }, nodes: [server] }));
