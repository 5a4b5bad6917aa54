/**
 * getOrCreate of `region.sync`: the decisions of read-through.ts where nothing may wait. What somebody else creates is
 * served stale, or created a second time without being stored.
 */

import { type Awaitable, isPromise } from './awaitable.js';
import { type CachedValue, NO_VALUE } from './cached-value.js';
import { Creation, checkCreated, checkCreator } from './creation.js';
import { asCreation, type CreatorContext, refuseRecursion } from './creator.js';
import { decide, servesOnError } from './decision.js';
import { ValidationError } from './errors.js';
import { isGone, isNewer, staleOf } from './freshness.js';
import { settled } from './guarded-backend.js';
import { Answers, type Question, staleValues } from './multi-ask.js';
import { alignAnswer, type MultiAnswer, type MultiCreatorContext } from './multi-creator.js';
import type { GetOrCreateOptions, Plan } from './options.js';
import { lockTimeout } from './read-through.js';
import type { Found, RegionCore } from './region-core.js';
import { BUSY, Claim } from './single-flight.js';

/** A creator that answers without a promise. */
export type SyncCreator<V> = (context: CreatorContext<V>) => V;
export type SyncMultiCreator<V> = (keys: readonly string[], context: MultiCreatorContext<V>) => MultiAnswer<V>;

export function readThroughSync(
  core: RegionCore,
  key: string,
  creator: SyncCreator<unknown>,
  options?: GetOrCreateOptions,
): unknown {
  const plan = core.planFor(options);
  const stored = core.keys.stored(key);
  const now = core.hitTime();
  const { writes } = core.coordination;
  const found = failingOpen<Found>(core, () => core.get(key, stored, now));
  const seen = found ?? NO_VALUE;
  const state = core.judge(seen, key, now, plan);
  if (state === 'fresh') {
    core.stats.hit(key);
    return (seen as CachedValue).value;
  }
  checkCreator(creator);
  const stale = staleOf(seen, state);
  const read = new SyncRead(
    core,
    plan,
    (_keys, creation, _asks, signal) => [creator(creation.context({ key, stale }, signal))],
    found === undefined,
  );
  return read
    .run(
      [
        {
          key,
          stored,
          seen,
          state,
          claim: new Claim(core.flights),
          mutex: undefined,
          counted: false,
          unread: found === undefined,
        },
      ],
      writes,
    )
    .get(key);
}

export function readThroughMultiSync(
  core: RegionCore,
  keys: readonly string[],
  creator: SyncMultiCreator<unknown>,
  options?: GetOrCreateOptions,
): unknown[] {
  checkCreator(creator);
  const read = new SyncRead(core, core.planFor(options), (missing, creation, asks, signal) => {
    const stale = staleValues(asks);
    return creator(missing, creation.context({ keys: missing, stale }, signal));
  });
  const { writes } = core.coordination;
  const values = read.run(read.read([...new Set(keys)]), writes);
  return keys.map((key) => values.get(key));
}

/** One key of the call. */
interface Ask extends Question {
  readonly claim: Claim;
}

type CreateAll = (
  keys: readonly string[],
  creation: Creation,
  asks: readonly Ask[],
  signal: () => AbortSignal,
) => unknown;

class SyncRead {
  readonly #answers: Answers;

  constructor(
    private readonly core: RegionCore,
    private readonly plan: Plan,
    private readonly createAll: CreateAll,
    /** The backend failed, and the region fails open: neither lock nor store. */
    private down = false,
  ) {
    this.#answers = new Answers(core.stats);
  }

  /** `writes`: the write count when the asks were read. */
  run(asks: readonly Ask[], writes: number): Map<string, unknown> {
    const behind: Ask[] = [];
    const open = asks.filter((ask) => !this.#served(ask, behind));
    if (behind.length > 0) this.#createBehind(behind);
    if (open.length > 0) this.#produce(open, writes);
    return this.#answers.values;
  }

  read(keys: readonly string[]): Ask[] {
    const { core, plan } = this;
    const stored = keys.map((key) => core.keys.stored(key));
    const now = core.hitTime();
    const found = failingOpen(core, () => core.getMulti(keys, stored, now));
    this.down = found === undefined;
    return keys.map((key, i) => {
      const seen = found?.[i] ?? NO_VALUE;
      return {
        key,
        stored: stored[i] as string,
        seen,
        state: core.judge(seen, key, now, plan),
        claim: new Claim(core.flights),
        mutex: undefined,
        counted: false,
        unread: found === undefined,
      };
    });
  }

  /** Serves what needs no creation, or none now; refuses what is known to fail. */
  #served(ask: Ask, behind: Ask[]): boolean {
    const { core, plan } = this;
    const { stored, state } = ask;
    const decision = decide(core, stored, state, plan);
    if (decision === 'behind') behind.push(ask);
    if (decision === 'join' || decision === 'create') return false;
    this.#answers.serve(ask);
    return true;
  }

  /** Once the caller is through. A flight for each key keeps others from doing the same. */
  #createBehind(asks: Ask[]): void {
    const { core, plan } = this;
    const behind = new SyncRead(core, plan, this.createAll);
    const run = new Promise<void>((resolve) => setImmediate(resolve)).then(() => behind.#produce(asks, -1, true));
    for (const { key, stored } of asks) {
      core.flights.start(stored, () =>
        run.then(() => (behind.#answers.values.has(key) ? behind.#answers.values.get(key) : BUSY)),
      );
    }
    const work = run.catch((error) => core.stats.error('background', asks[0]?.key, error));
    if (typeof plan.background === 'function') plan.background(work);
  }

  #produce(asks: Ask[], writes: number, behind = false): void {
    const { core } = this;
    for (const ask of asks) refuseRecursion(core, ask.stored, ask.key);
    try {
      let ours = asks.filter((ask) => this.#takeMutex(ask, behind));
      if (!this.down && core.mayHaveChanged(writes)) ours = this.#lookAgain(ours);
      if (ours.length > 0) this.#create(ours, behind);
    } finally {
      for (const ask of asks) {
        if (ask.mutex !== undefined) core.release(ask.mutex, ask.key);
      }
    }
  }

  /** Whether we create: with the mutex, or without it where there is nothing to serve. */
  #takeMutex(ask: Ask, behind: boolean): boolean {
    const { core, plan } = this;
    const { key, state } = ask;
    if (!this.down) {
      this.down = failingOpen(core, () => acquireNow(core, ask)) === undefined;
    }
    if (ask.mutex === undefined && !isGone(state)) {
      if (!behind) this.#answers.serve(ask);
      return false;
    }
    if (ask.mutex === undefined && !this.down && plan.onLockTimeout === 'throw') throw lockTimeout(key, plan);
    return true;
  }

  /** Under the mutexes: uses what another process stored since the first read. */
  #lookAgain(asks: Ask[]): Ask[] {
    const { core, plan } = this;
    const now = core.now();
    const keys = asks.map((ask) => ask.key);
    const stored = asks.map((ask) => ask.stored);
    const found = failingOpen(core, () => core.getMulti(keys, stored, now));
    if (found === undefined) return asks;
    return asks.filter((ask, i) => {
      const { key, seen } = ask;
      const again = found[i] as Found;
      if (!isNewer(again, seen) || core.judge(again, key, now, { ...plan, earlyRefresh: undefined }) !== 'fresh')
        return true;
      this.#answers.created(ask, again.value);
      return false;
    });
  }

  #create(asks: readonly Ask[], behind: boolean): void {
    const { core, plan } = this;
    const keys = asks.map((ask) => ask.key);
    const stored = asks.map((ask) => ask.stored);
    const creation = new Creation(
      core,
      plan,
      asks.map((ask) => ask.claim),
    );
    for (const ask of asks) core.coordination.begin(ask.stored, ask.claim);
    try {
      const values = creation.runSync({ keys }, stored, () =>
        asCreation(core, stored, () => {
          const answer = this.createAll(keys, creation, asks, () => new AbortController().signal);
          const values = isPromise(answer) ? [answer] : alignAnswer(answer, keys);
          for (const value of values) if (isPromise(value)) refusePromise(value);
          return values;
        }),
      );
      for (const [i, ask] of asks.entries()) {
        this.#answers.created(ask, checkCreated(values[i], ask.key));
      }
      this.#store(asks, values, creation);
    } catch (error) {
      const served = !behind && asks.every(({ state }) => servesOnError(state, plan));
      for (const ask of asks) if (!served) this.#answers.missed(ask);
      if (!served) throw error;
      for (const ask of asks) this.#answers.serve(ask);
    } finally {
      for (const ask of asks) core.coordination.end(ask.stored, ask.claim);
    }
  }

  #store(asks: readonly Ask[], values: readonly unknown[], creation: Creation): void {
    const { core } = this;
    const created = creation.entries(asks, values);
    const write = (): void => {
      settled(core.refreshInvalidations());
      const kept = created.filter(({ key, claim }) => !creation.overtaken(key, claim));
      const [only] = kept;
      if (only !== undefined && kept.length === 1) {
        if (!settled(core.set(only.key, only.stored, only.item, only.mutex))) core.stats.count('superseded');
        return;
      }
      const items = new Map(kept.map(({ stored, item }) => [stored, item]));
      const mutexes = new Map(kept.map(({ stored, mutex }) => [stored, mutex]));
      const keys = kept.map(({ key }) => key);
      for (const _ of settled(core.setMulti(keys, items, mutexes))) core.stats.count('superseded');
    };
    failingOpen(core, write, 'returnUnstored');
  }
}

/** Takes the mutex if it is free; one that breaks the contract by a promise is not left held. */
function acquireNow(core: RegionCore, ask: Ask): boolean {
  const mutex = core.mutex(ask.stored);
  const ours = core.call('lock', ask.key, () => mutex.acquire({ wait: 0 }));
  if (isPromise(ours))
    ours.then(
      (late) => late && core.release(mutex, ask.key),
      () => {},
    );
  if (settled(ours)) ask.mutex = mutex;
  return ask.mutex !== undefined;
}

/** The answer; undefined where the backend failed, and the region fails open. */
function failingOpen<T>(
  core: RegionCore,
  work: () => Awaitable<T>,
  judge: 'serveAnyway' | 'returnUnstored' = 'serveAnyway',
): T | undefined {
  try {
    return settled(work());
  } catch (error) {
    core[judge](error);
    return undefined;
  }
}

function refusePromise(promise: PromiseLike<unknown>): never {
  promise.then(undefined, () => {}); // nobody else hears of its rejection
  throw new ValidationError('region.sync: the creator must not be async; use region.getOrCreate');
}
