/**
 * Ports of 127.0.0.1 on which nobody listens. They lie below the range from which the kernel takes the ports of
 * outgoing connections and of `listen(0)`, so that nothing grabs the port of a server while that is down. Processes
 * that run at the same time search in different blocks, so that they rarely want the same one.
 */

import { createServer } from 'node:net';

const FIRST = 10_240;
const BLOCK = 64;
const BLOCKS = 350; // up to port 32 639

let next = Math.floor(Math.random() * BLOCK);

/** Free when looked at: whoever starts a server on it is ready to be refused, and asks for another one. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < BLOCK * BLOCKS; tries++) {
    const port = FIRST + ((process.pid * BLOCK + next++) % (BLOCK * BLOCKS));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port on 127.0.0.1 between ${FIRST} and ${FIRST + BLOCK * BLOCKS}: end some servers`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
