/** Whether the other side of a new connection is a Redis server that lets us in: a port that is open may be anything. */

import type { Redis } from 'ioredis';
import { replyCode } from './classify.js';

/** @throws Where no answer of Redis comes, or one that asks for a password. */
export function greet(redis: Redis): Promise<unknown> {
  return firstReply(
    redis.ping().catch((error: unknown) => {
      const code = replyCode(error);
      if (code === undefined || code === 'NOAUTH') throw error; // what else it refuses, the calls will hear
    }),
  );
}

/** `reply` to what is asked first on a connection; where that breaks, the error says what may be wrong. */
export async function firstReply<T>(reply: Promise<T>): Promise<T> {
  try {
    return await reply;
  } catch (error) {
    if (replyCode(error) !== undefined || !(error instanceof Error) || error.message.startsWith('ERR ')) throw error;
    const isClosed = /clos|ECONNRESET|EPIPE|write/i.test(error.message);
    if (!isClosed && !/reply/.test(error.message)) throw error; // of the network
    const said = isClosed ? 'the connection was closed before the first answer' : error.message;
    const question = isClosed ? 'is this a Redis server, and does it want TLS (rediss://)?' : 'is this a Redis server?';
    throw new Error(`${said}; ${question}`, { cause: error });
  }
}
