/**
 * Stands between the server and ioredis, which trusts each reply: one too many is there an exception that nobody can
 * catch, and a damaged length gives a command the answer of another one. Here each reply must be of the kind that its
 * command asks for; at the first doubt the connection is given up, with all that waits on it.
 */

import type { Redis } from 'ioredis';
import { type Reply, ReplyParser } from './resp.js';
import { isScriptAnswer } from './scripts.js';

/**
 * A reply that has begun comes on at this rate at least, else its length is taken for damaged: whoever asks next would
 * wait for what never comes. Bytes within ms.
 */
const LEAST_BYTES = 4096;
const STALL_MS = 1000;

/** To be called once `redis` is connected, before anything is answered. */
export function readReplies(redis: Redis): void {
  const { stream } = redis;
  const [ofRedis] = stream.listeners('data'); // the first; others only watch for signs of life
  if (ofRedis !== undefined) stream.off('data', ofRedis as (chunk: Buffer) => void);
  const parser = new ReplyParser();
  let stalling: NodeJS.Timeout | undefined;
  let bytes = 0;

  const giveUp = (error: Error): void => {
    clearTimeout(stalling);
    for (let item = redis.commandQueue.shift(); item !== undefined; item = redis.commandQueue.shift()) {
      item.command.reject(error);
    }
    stream.removeAllListeners('data');
    stream.destroy(error);
  };
  const look = (): void => {
    if (bytes < LEAST_BYTES) giveUp(new Error('a reply stops half way'));
    else stalling?.refresh();
    bytes = 0;
  };
  const read = (chunk: Buffer): void => {
    try {
      parser.write(chunk, (reply) => answer(redis, reply));
    } catch (error) {
      giveUp(error as Error);
      return;
    }
    if (!parser.isWithin) {
      clearTimeout(stalling);
      stalling = undefined;
    } else if (stalling === undefined) {
      bytes = 0;
      stalling = setTimeout(look, STALL_MS).unref();
    } else bytes += chunk.length;
  };
  stream.prependListener('data', read);
  stream.once('close', () => clearTimeout(stalling));
}

function answer(redis: Redis, reply: Reply): void {
  // said before the connection is closed, whatever was asked
  if (reply instanceof Error && reply.message.startsWith('ERR max number of clients')) throw new Error(reply.message);
  const item = redis.commandQueue.shift();
  if (item === undefined) {
    throw reply instanceof Error ? new Error(reply.message) : new Error('a reply to nothing that was asked');
  }
  const { command } = item;
  if (reply instanceof Error) command.reject(reply);
  else if (isAnswer(command.name, command.args, reply)) command.resolve(reply);
  else {
    const error = new Error(`a reply that is no answer to ${command.name}`);
    command.reject(error);
    throw error;
  }
}

function isAnswer(name: string, args: readonly unknown[], reply: Reply): boolean {
  switch (name) {
    case 'get':
      return isValue(reply);
    case 'mget':
      return Array.isArray(reply) && reply.length === args.length && reply.every(isValue);
    case 'evalsha':
    case 'eval':
      return isScriptAnswer(String(args[0]), Number(args[1]), reply);
    case 'unlink':
    case 'exists':
    case 'publish':
      return typeof reply === 'number';
    case 'ping':
      return Buffer.isBuffer(reply) && reply.equals(PONG);
    case 'auth':
    case 'select':
    case 'asking':
      return Buffer.isBuffer(reply) && reply.equals(OK);
    case 'cluster':
      return isLayout(reply);
    default:
      return true; // of the handshake, on connections where nothing else is asked
  }
}

/** Of CLUSTER SLOTS: first slot, last slot, and nodes that begin with host and port. */
function isLayout(reply: Reply): boolean {
  const isNode = (node: Reply | undefined): boolean =>
    Array.isArray(node) && (node[0] === null || Buffer.isBuffer(node[0])) && typeof node[1] === 'number';
  return (
    Array.isArray(reply) &&
    reply.every((part: Reply) => {
      if (!Array.isArray(part)) return false;
      const [first, last, ...nodes] = part as readonly Reply[];
      return typeof first === 'number' && typeof last === 'number' && nodes.every(isNode);
    })
  );
}

const OK = Buffer.from('OK');
const PONG = Buffer.from('PONG');

function isValue(reply: Reply): boolean {
  return reply === null || Buffer.isBuffer(reply);
}
