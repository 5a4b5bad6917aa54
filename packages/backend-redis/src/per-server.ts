/** Operations on many keys: each server gets those that it has, and the failure of one does not keep the others. */

import { setTimeout as sleep } from 'node:timers/promises';
import { BackendUnavailableError, type StockpileError } from '@stockpile/core';
import type { Redis } from 'ioredis';
import { classify, isReply, replyCode } from './classify.js';
import { type Argument, addTo, evaluate } from './evaluate.js';
import type { Link } from './link.js';
import type { Script } from './scripts.js';
import { slotOf } from './slots.js';
import type { Topology } from './topology.js';

/** An answer for each key; an error where there is none. */
export type Answers<T> = (T | Error)[];

/** Asks one server for the keys that it has; may reject as a whole, or answer with errors for some. */
export type Work<T> = (redis: Redis, keys: readonly string[], places: readonly number[]) => Promise<Answers<T>>;

/** Aligned with `keys`. `since`: when the operation began; `isRead`: see `Link`. */
export async function perServer<T>(
  topology: Topology,
  keys: readonly string[],
  work: Work<T>,
  since: number,
  isRead = false,
): Promise<Answers<T>> {
  const places = keys.map((_, i) => i);
  if (!topology.isCluster) return topology.linkOf('').run((redis) => work(redis, keys, places), since, isRead);
  await topology.ready(since);
  const answers: Answers<T> = new Array(keys.length);
  let left: readonly number[] = places;
  for (let round = 0; ; round++) {
    await ask(topology, keys, left, work, answers, since, isRead);
    left = left.filter((i) => isRedirection(answers[i]));
    if (left.length === 0) break;
    void topology.refresh();
    const pause = left.some((i) => isReply(answers[i], 'TRYAGAIN')) || round > 0 ? PAUSE_MS : 0;
    if (performance.now() + pause > since + topology.linkOf('').timeout) break;
    if (pause > 0) await sleep(pause);
  }
  return answers.map((answer, i) =>
    answer instanceof Error ? classify(answer, topology.linkOf(keys[i] as string).endpoint.server) : answer,
  );
}

/** Between two looks at keys that are on their way from node to node, ms. */
const PAUSE_MS = 25;

function isRedirection(answer: unknown): boolean {
  return /^(MOVED|ASK|TRYAGAIN)$/.test(replyCode(answer) ?? '');
}

/** Those that were asked before go where their answer sends them. */
async function ask<T>(
  topology: Topology,
  keys: readonly string[],
  places: readonly number[],
  work: Work<T>,
  answers: Answers<T>,
  since: number,
  isRead: boolean,
): Promise<void> {
  const run = async (link: Link, own: readonly number[], isAsking: boolean): Promise<void> => {
    const ownKeys = own.map((i) => keys[i] as string);
    let found: Answers<T>;
    try {
      found = await link.run((redis) => work(isAsking ? asking(redis) : redis, ownKeys, own), since, isRead);
    } catch (error) {
      const { cause } = error as Error;
      found = own.map(() => (isRedirection(cause) ? (cause as Error) : (error as Error)));
    }
    for (const [n, i] of own.entries()) answers[i] = found[n] as T | Error;
  };
  const link = (i: number): Link => linkFor(topology, keys[i] as string, answers[i]);
  const direct = groupBy(
    places.filter((i) => !isReply(answers[i], 'ASK')),
    link,
  );
  const toAsk = places.filter((i) => isReply(answers[i], 'ASK'));
  await Promise.all([
    ...[...direct].map(([to, own]) => run(to, own, false)),
    ...toAsk.map((i) => run(link(i), [i], true)), // ASKING holds for one command
  ]);
}

/** `answer`: 'MOVED slot host:port' or 'ASK slot host:port', if the key was asked for before. */
function linkFor(topology: Topology, key: string, answer: unknown): Link {
  const named = isReply(answer, 'MOVED') || isReply(answer, 'ASK');
  const server = named ? (answer as Error).message.split(' ')[2] : undefined;
  return server === undefined || server.startsWith(':') ? topology.linkOf(key) : topology.linkAt(server);
}

/** The same connection with ASKING before each command, without which a node refuses a slot that is on its way to it. */
function asking(redis: Redis): Redis {
  const { sendCommand } = redis;
  return Object.assign(Object.create(redis) as Redis, {
    sendCommand: (...args: Parameters<Redis['sendCommand']>) => {
      redis.asking().catch(() => {}); // the command will be refused too
      return sendCommand.apply(redis, args);
    },
  });
}

/** Commands with many keys: in a cluster only keys of one slot may go together. */
export function bySlot(topology: Topology, keys: readonly string[], most: number): readonly (readonly number[])[] {
  const places = keys.map((_, i) => i);
  const groups = topology.isCluster ? [...groupBy(places, (i) => slotOf(keys[i] as string)).values()] : [places];
  return groups.flatMap((group) => {
    if (group.length <= most) return [group];
    return Array.from({ length: Math.ceil(group.length / most) }, (_, n) => group.slice(n * most, (n + 1) * most));
  });
}

export interface Call {
  readonly keys: readonly string[];
  readonly args: readonly Argument[];
}

/** Runs a script for each group of keys, all sent at once; answers and errors by group. */
export async function evaluateEach(redis: Redis, script: Script, calls: readonly Call[]): Promise<Answers<unknown>> {
  const [only] = calls;
  if (only !== undefined && calls.length === 1) return [await evaluate(redis, script, only.keys, only.args)];
  const pipeline = redis.pipeline();
  for (const { keys, args } of calls) addTo(pipeline, redis, script, keys, args);
  const results = (await pipeline.exec()) ?? [];
  return Promise.all(
    calls.map(async ({ keys, args }, i) => {
      const [error, value] = results[i] ?? [new BackendUnavailableError("backend 'redis': an answer is missing")];
      if (error === null) return value;
      if (replyCode(error) !== 'NOSCRIPT') return error;
      return evaluate(redis, script, keys, args).catch((failure: Error) => failure);
    }),
  );
}

/** Throws the first of the errors with all `keys` that they concern; `more` completes it. */
export function throwFailures(
  answers: Answers<unknown>,
  keys: readonly string[],
  more: (error: StockpileError) => void = () => {},
): void {
  const failed = keys.filter((_, i) => answers[i] instanceof Error);
  if (failed.length === 0) return;
  const first = answers.find((answer) => answer instanceof Error);
  const error = classify(first, 'a server');
  error.keys = failed;
  more(error);
  throw error;
}

export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
