/** Operations on many keys: each server gets those that it has, and the failure of one does not keep the others. */

import { BackendUnavailableError, type StockpileError } from '@stockpile/core';
import type { Redis } from 'ioredis';
import { classify, replyCode } from './classify.js';
import { type Argument, addTo, evaluate, type Script } from './scripts.js';
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
  await ask(topology, keys, places, work, answers, since, isRead);
  const moved = places.filter((i) => /^(MOVED|ASK|TRYAGAIN)$/.test(replyCode(answers[i]) ?? ''));
  if (moved.length > 0) {
    await topology.refresh();
    await ask(topology, keys, moved, work, answers, since, isRead);
  }
  return answers.map((answer, i) =>
    answer instanceof Error ? classify(answer, topology.linkOf(keys[i] as string).endpoint.server) : answer,
  );
}

async function ask<T>(
  topology: Topology,
  keys: readonly string[],
  places: readonly number[],
  work: Work<T>,
  answers: Answers<T>,
  since: number,
  isRead: boolean,
): Promise<void> {
  const byLink = groupBy(places, (i) => topology.linkOf(keys[i] as string));
  const asked = [...byLink].map(async ([link, own]) => {
    const ownKeys = own.map((i) => keys[i] as string);
    let found: Answers<T>;
    try {
      found = await link.run((redis) => work(redis, ownKeys, own), since, isRead);
    } catch (error) {
      found = own.map(() => error as Error);
    }
    for (const [n, i] of own.entries()) answers[i] = found[n] as T | Error;
  });
  await Promise.all(asked);
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
  for (const { keys, args } of calls) addTo(pipeline, script, keys, args);
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
