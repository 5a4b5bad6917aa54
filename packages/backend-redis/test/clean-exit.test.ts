/** A process that has used the backend can end: nothing is left that keeps it alive, and nothing is printed. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { FaultProxy, type RunningServer, startRedis, startRedisCluster } from '@stockpile/servers';

jest.setTimeout(20_000); // processes start slowly on a busy machine
const FIXTURE = fileURLToPath(new URL('./fixtures/exits.mjs', import.meta.url));
const run = promisify(execFile);

let server: RunningServer;
let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
let silent: FaultProxy;
beforeAll(async () => {
  server = await startRedis();
  cluster = await startRedisCluster();
  silent = await FaultProxy.open(server);
  await silent.fault('blackHole');
}, 30_000);
afterAll(async () => {
  await silent.close();
  await cluster.stop();
  await server.stop();
});

const places: Record<string, () => object> = {
  'a server': () => ({ port: server.port }),
  'a socket': () => ({ path: server.path }),
  'a cluster': () => ({ cluster: cluster.nodes.map(({ port }) => `127.0.0.1:${port}`) }),
  'a server that does not answer': () => ({ port: silent.port }),
  'a server that is not there': () => ({ port: 1 }),
};

for (const [name, argsOf] of Object.entries(places)) {
  for (const close of ['close', 'leave']) {
    test(`${name}, ${close === 'close' ? 'after' : 'without'} close()`, async () => {
      const { stdout, stderr } = await run(process.execPath, [FIXTURE, JSON.stringify(argsOf()), close], {
        timeout: 10_000, // killed by then: that would be an error
      });
      expect([stdout, stderr]).toEqual(['created', '']);
    });
  }
}
