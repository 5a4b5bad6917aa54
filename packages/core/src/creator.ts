/** Running a creator: what it is told, what it may say, and how it is bounded. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Awaitable, isPromise } from './awaitable.js';
import type { NoValue } from './cached-value.js';
import { withDeadline } from './deadline.js';
import { type Duration, show } from './duration.js';
import { CreatorTimeoutError, RecursiveCreationError } from './errors.js';
import { checkTags, optionalMs, type Plan } from './options.js';

/** What a creator receives. */
export interface CreatorContext<V = unknown> {
  /** The application's key. */
  readonly key: string;
  /** Aborted at `creatorTimeout`, or when no caller is left that waits. */
  readonly signal: AbortSignal;
  /** The value that is being replaced, `NO_VALUE` if there is none to serve. */
  readonly stale: V | NoValue;
  /** Stored with the new entry; wins over the call's. */
  setExpirationTime(expirationTime: Duration): void;
  /** Return the value to the callers, but do not store it. */
  doNotCache(): void;
  /** Adds tags to those of the call. */
  tags(...tags: string[]): void;
}

/** What a creator may say of the entry. */
export type Writers = Pick<CreatorContext, 'setExpirationTime' | 'doNotCache' | 'tags'>;

/** Computes a missing or stale value. */
export type Creator<V> = (context: CreatorContext<V>) => Awaitable<V>;

/** What is known of an entry before its value. */
export class CreationNotes {
  cached = true;
  expirationTime: number | undefined;
  tags: readonly string[] | undefined;

  constructor(plan: Plan) {
    this.expirationTime = plan.expirationTime;
    this.tags = plan.tags;
  }

  /** The part of a creator's context that writes here. */
  writers(): Writers {
    return {
      setExpirationTime: (expirationTime) => {
        this.expirationTime = optionalMs(expirationTime, 'setExpirationTime');
      },
      doNotCache: () => {
        this.cached = false;
      },
      tags: (...tags) => {
        this.tags = [...new Set([...(this.tags ?? []), ...(checkTags(tags) ?? [])])];
      },
    };
  }
}

/** The creations that the running code is part of: `region` and stored key of each. */
interface Creating {
  readonly region: object;
  readonly keys: readonly string[];
  readonly outer: Creating | undefined;
  /** What a creator left behind (a timer, a pool) keeps its context, and may ask for the key later. */
  over: boolean;
}
const creating = new AsyncLocalStorage<Creating>();
let running = 0;

/**
 * Runs `work` as the creation of `keys`. On Node below 24 an enabled AsyncLocalStorage slows every promise of the
 * process, so it is on only while creators run.
 */
export function asCreation<T>(region: object, keys: readonly string[], work: () => T): T {
  let outer = creating.getStore();
  while (outer?.over) outer = outer.outer; // a creator that schedules the next one would make an endless chain
  const context: Creating = { region, keys, outer, over: false };
  const done = (): void => {
    context.over = true;
    if (--running === 0) creating.disable();
  };
  running++;
  let outcome: T;
  try {
    outcome = creating.run(context, work);
  } catch (error) {
    done();
    throw error;
  }
  if (isPromise(outcome as Awaitable<unknown>)) (outcome as PromiseLike<unknown>).then(done, done);
  else done();
  return outcome;
}

/** Throws if the running code is part of the creation of `stored`: it would wait for itself. */
export function refuseRecursion(region: object, stored: string, key: string): void {
  if (running === 0) return;
  for (let at = creating.getStore(); at !== undefined; at = at.outer) {
    if (!at.over && at.region === region && at.keys.includes(stored)) {
      throw new RecursiveCreationError(`the creator of key ${show(key)} asks for that key: it would wait for itself`, {
        key,
      });
    }
  }
}

/** `work` with a signal, made when asked for, that is aborted as `abandoned` is and after `timeout` ms; then rejects. */
export function bounded<T>(
  work: (signal: () => AbortSignal) => Awaitable<T>,
  abandoned: () => AbortSignal,
  timeout: number,
  what: string,
): Promise<T> {
  if (timeout === Infinity) return new Promise((resolve) => resolve(work(abandoned)));
  const late = new AbortController();
  let both: AbortSignal | undefined;
  const signal = (): AbortSignal => {
    both ??= AbortSignal.any([abandoned(), late.signal]);
    return both;
  };
  const outcome = new Promise<T>((resolve) => resolve(work(signal)));
  return withDeadline(outcome, timeout, () => {
    const error = new CreatorTimeoutError(`the creator of ${what} took longer than creatorTimeout, ${timeout} ms`);
    late.abort(error);
    return error;
  });
}
