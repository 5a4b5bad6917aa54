/** Running scripts: by their hash where the server knows them. */

import type { ChainableCommander, Redis } from 'ioredis';
import { isReply } from './classify.js';
import type { Script } from './scripts.js';

export type Argument = string | number | Buffer;

type Evaluate<R> = (script: string, keyCount: number, ...keysAndArguments: readonly Argument[]) => R;

/** ioredis has them without types. (Its typed `callBuffer` loses the command's name under auto-pipelining.) */
interface Evaluator<R> {
  readonly evalshaBuffer: Evaluate<R>;
  readonly evalBuffer: Evaluate<R>;
}

/** Those that were sent whole on a connection. */
const sent = new WeakMap<Redis, Set<Script>>();

/** Once on each connection: what comes behind a script that the server does not know would else overtake it. */
function isNew(redis: Redis, which: Script): boolean {
  const known = sent.get(redis);
  if (known === undefined) sent.set(redis, new Set([which]));
  else if (known.has(which)) return false;
  else known.add(which);
  return true;
}

/** Runs a script by its hash; whole for the first time, and where the server has forgotten it. */
export async function evaluate(
  redis: Redis,
  which: Script,
  keys: readonly string[],
  args: readonly Argument[],
): Promise<unknown> {
  const own = redis as unknown as Evaluator<Promise<unknown>>;
  if (isNew(redis, which)) return own.evalBuffer(which.lua, keys.length, ...keys, ...args);
  try {
    return await own.evalshaBuffer(which.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!isReply(error, 'NOSCRIPT')) throw error;
    return own.evalBuffer(which.lua, keys.length, ...keys, ...args);
  }
}

/** Adds it to a pipeline of `redis`. */
export function addTo(
  pipeline: ChainableCommander,
  redis: Redis,
  which: Script,
  keys: readonly string[],
  args: readonly Argument[],
): void {
  const own = pipeline as unknown as Evaluator<unknown>;
  if (isNew(redis, which)) own.evalBuffer(which.lua, keys.length, ...keys, ...args);
  else own.evalshaBuffer(which.sha, keys.length, ...keys, ...args);
}
