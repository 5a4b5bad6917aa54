/**
 * getOrCreateMulti, over 300 lines to keep the rounds of one algorithm together: the decisions of getOrCreate for many
 * keys, with one read, one creator call and one write.
 *
 * In rounds, so that callers of overlapping keys cannot deadlock: nobody waits while holding a mutex. A round reads
 * what is open, takes the mutexes that are free, creates, stores and frees; only then it waits for what others create,
 * and reads that again in the next round.
 */

import { untilAborted } from './abort.js';
import { NO_VALUE } from './cached-value.js';
import { Creation, checkCreator } from './creation.js';
import { asCreation, bounded, refuseRecursion } from './creator.js';
import { LATE, within } from './deadline.js';
import { decide, servesOnError, waitsForNew } from './decision.js';
import { LockTimeoutError, type StockpileError } from './errors.js';
import { isNewer } from './freshness.js';
import { Answers, type Ask, newAsk, staleValues } from './multi-ask.js';
import { alignAnswer, type MultiCreator } from './multi-creator.js';
import type { GetOrCreateOptions, Plan } from './options.js';
import { lockTimeout } from './read-through.js';
import type { Found, RegionCore } from './region-core.js';
import { BUSY, type Flight, GAVE_UP } from './single-flight.js';

export async function readThroughMulti(
  core: RegionCore,
  keys: readonly string[],
  creator: MultiCreator<unknown>,
  options?: GetOrCreateOptions,
): Promise<unknown[]> {
  const plan = core.planFor(options);
  checkCreator(creator);
  const asks = [...new Set(keys)].map((key) => newAsk(key, core.keys.stored(key)));
  const read = new MultiRead(core, plan, creator);
  const { signal } = plan;
  await (signal === undefined
    ? read.run(asks)
    : untilAborted(
        () => read.run(asks),
        signal,
        () => read.leave(signal),
      ));
  return keys.map((key) => read.answers.values.get(key));
}

class MultiRead {
  readonly answers: Answers;
  /** Aborted when the caller has left and nobody joined its flights. */
  #abandoned: AbortController | undefined;
  /** Those that still run. */
  readonly #flights = new Set<Flight<unknown>>();
  readonly #giveUpAt: number;
  /** For reads after the first: no early refresh. */
  readonly #patient: Plan;

  constructor(
    private readonly core: RegionCore,
    private readonly plan: Plan,
    private readonly creator: MultiCreator<unknown>,
  ) {
    this.answers = new Answers(core.stats);
    this.#patient = { ...plan, earlyRefresh: undefined };
    this.#giveUpAt = performance.now() + plan.lockTimeout;
  }

  async run(asks: Ask[]): Promise<void> {
    let open = asks;
    let { plan } = this;
    while (open.length > 0) {
      this.#throwIfAbandoned();
      const { writes } = this.core.coordination;
      await this.#read(open, plan);
      plan = this.#patient; // what was waited for is used, not renewed at once
      const { ours, joined, behind } = this.#sort(open);
      if (behind.length > 0) this.#createBehind(behind, writes);
      const elsewhere = await this.#produce(ours, writes);
      open = await this.#wait(joined, elsewhere);
    }
  }

  leave({ reason }: AbortSignal): void {
    for (const flight of this.#flights) flight.leave(reason);
    this.#abandonIfAlone(reason);
  }

  #signal(): AbortSignal {
    this.#abandoned ??= new AbortController();
    return this.#abandoned.signal;
  }

  #throwIfAbandoned(): void {
    this.#abandoned?.signal.throwIfAborted();
  }

  #abandonIfAlone(reason: unknown): void {
    for (const flight of this.#flights) if (flight.callers > 0) return;
    this.#signal();
    this.#abandoned?.abort(reason);
  }

  async #read(open: readonly Ask[], plan: Plan): Promise<void> {
    const { core } = this;
    const now = core.hitTime();
    let found: Found[];
    try {
      found = await core.getMulti(
        open.map((ask) => ask.key),
        open.map((ask) => ask.stored),
        now,
      );
    } catch (error) {
      core.serveAnyway(error);
      const { keys, found: others } = error as StockpileError;
      const failed = others && keys && new Set(keys);
      for (const ask of open) {
        if (!(failed?.has(ask.key) ?? true)) continue;
        ask.down = true;
        ask.unread = true;
      }
      found = open.map((ask, i) => (ask.down ? NO_VALUE : (others?.[i] as Found)));
    }
    for (const [i, ask] of open.entries()) {
      ask.seen = found[i] as Found;
      ask.state = core.judge(ask.seen, ask.key, now, plan);
    }
  }

  /** Serves what can be served; the rest is ours to create, is being created in this process, or is renewed behind. */
  #sort(open: readonly Ask[]): Record<'ours' | 'joined' | 'behind', Ask[]> {
    const { core, plan } = this;
    const sorted = { ours: [] as Ask[], joined: [] as Ask[], behind: [] as Ask[] };
    const decisions = open.map(({ stored, state }) => decide(core, stored, state, plan));
    for (const [i, ask] of open.entries()) {
      const { key, stored } = ask;
      const decision = decisions[i];
      if (decision === 'hit' || decision === 'serve' || decision === 'behind') {
        this.answers.serve(ask);
        if (decision === 'behind') sorted.behind.push(ask);
      } else {
        refuseRecursion(core, stored, key);
        if (decision === 'join') core.stats.count('waits');
        // who has given up joins only those who have given up too
        const running = ask.gaveUp
          ? core.unstored.get(stored)
          : decision === 'join'
            ? core.flights.get(stored)
            : undefined;
        if (running !== undefined) {
          // at once: a caller that comes later might find the flight abandoned
          ask.joined = running.join(plan.signal);
          ask.joined.catch(() => {});
          sorted.joined.push(ask);
        } else sorted.ours.push(ask);
      }
    }
    return sorted;
  }

  #createBehind(asks: Ask[], writes: number): void {
    // by itself: that this call's caller leaves does not concern it
    const behind = new MultiRead(this.core, { ...this.plan, signal: undefined }, this.creator);
    const work = behind.#produce(asks, writes, true).then(
      () => {},
      (error) => this.core.stats.error('background', undefined, error),
    );
    if (typeof this.plan.background === 'function') this.plan.background(work);
  }

  /** Creates those of `asks` whose mutex is free; the others. */
  async #produce(asks: Ask[], writes: number, behind = false): Promise<Ask[]> {
    if (asks.length === 0) return [];
    const { core } = this;
    for (const ask of asks) this.#takeOff(ask);
    try {
      const elsewhere = await this.#takeMutexes(asks.filter(({ down }) => !down));
      let ours = asks.filter(({ busy }) => !busy);
      if (core.mayHaveChanged(writes)) {
        do {
          for (const { flight } of ours) if (flight) flight.superseded = false; // a write while we look: look once more
          ours = await this.#lookAgain(ours);
        } while (ours.some(({ flight }) => flight?.superseded));
      }
      this.#throwIfAbandoned();
      if (ours.length > 0) await this.#create(ours, behind);
      return elsewhere.filter((ask) => !this.answers.values.has(ask.key));
    } catch (error) {
      for (const ask of asks) {
        if (error instanceof LockTimeoutError && error.key !== ask.key) ask.settle.resolve(BUSY);
        else ask.settle.reject(error);
      }
      throw error;
    } finally {
      await Promise.all(asks.map((ask) => ask.mutex && core.release(ask.mutex, ask.key)));
      for (const ask of asks) ask.mutex = undefined;
    }
  }

  /** Our flight of one key, which callers of that key join. */
  #takeOff(ask: Ask): void {
    ask.busy = false;
    const flight = (ask.gaveUp ? this.core.unstored : this.core.flights).start(
      ask.stored,
      () => new Promise((resolve, reject) => (ask.settle = { resolve, reject })),
    );
    flight.callers++; // this call, until it leaves
    ask.flight = flight;
    this.#flights.add(flight);
    const done = (): unknown => this.#flights.delete(flight);
    flight.promise.then(done, done);
    flight.onAbandoned = (reason) => this.#abandonIfAlone(reason);
  }

  /** Takes what is free without waiting; answers with those that others hold and that are to be waited for. */
  async #takeMutexes(asks: readonly Ask[]): Promise<Ask[]> {
    const { core, plan } = this;
    const taken = await Promise.allSettled(asks.map((ask) => this.#takeMutex(ask)));
    for (const [i, outcome] of taken.entries()) {
      if (outcome.status === 'fulfilled') continue;
      core.serveAnyway(outcome.reason);
      (asks[i] as Ask).down = true;
    }
    const notHad = asks.filter((ask) => ask.mutex === undefined && !ask.down);
    const waitFor = notHad.filter((ask) => !ask.gaveUp);
    if (plan.onLockTimeout === 'throw') {
      for (const { gaveUp, key } of notHad) if (gaveUp) throw lockTimeout(key, plan);
    }
    for (const ask of waitFor) {
      ask.busy = true;
      ask.settle.resolve(BUSY);
      if (!waitsForNew(ask.state, plan)) this.answers.serve(ask);
    }
    return waitFor;
  }

  async #takeMutex(ask: Ask): Promise<void> {
    const { core } = this;
    const mutex = core.mutex(ask.stored);
    if (!(await core.acquire(mutex, ask.key, 0))) return;
    ask.mutex = mutex;
  }

  /** Under the mutexes: uses what arrived since the first read. */
  async #lookAgain(asks: Ask[]): Promise<Ask[]> {
    const before = new Map(asks.map((ask) => [ask, { seen: ask.seen, state: ask.state }]));
    const readable = asks.filter(({ down }) => !down);
    if (readable.length > 0) await this.#read(readable, this.#patient);
    return asks.filter((ask) => {
      const old = before.get(ask) as Pick<Ask, 'seen' | 'state'>;
      if (ask.down) return Object.assign(ask, old); // unread: what was known holds
      if (ask.state !== 'fresh') return true;
      if (!isNewer(ask.seen, old.seen)) {
        ask.state = old.state; // the same entry as before, chosen to be renewed early
        return true;
      }
      const { value } = ask.seen;
      this.answers.created(ask, value);
      ask.settle.resolve(value);
      return false;
    });
  }

  async #create(asks: Ask[], behind: boolean): Promise<void> {
    const { core, plan } = this;
    const keys = asks.map((ask) => ask.key);
    const stored = asks.map((ask) => ask.stored);
    const stale = staleValues(asks);
    for (const { flight, mutex, key } of asks) {
      if (flight && mutex) flight.onSuperseded = () => void core.release(mutex, key);
    }
    const creation = new Creation(
      core,
      plan,
      asks.flatMap((ask) => ask.flight ?? []),
    );
    const work = async (signal: () => AbortSignal): Promise<unknown[]> =>
      alignAnswer(await this.creator(keys, creation.context({ keys, stale }, signal)), keys);
    let values: unknown[];
    try {
      values = await creation.run(
        { keys },
        stored,
        () => this.#abandoned?.signal.aborted === true,
        () =>
          asCreation(core, stored, () =>
            bounded(work, () => this.#signal(), plan.creatorTimeout, `${keys.length} keys`),
          ),
      );
    } catch (error) {
      const served = !behind && asks.every(({ state }) => servesOnError(state, plan));
      for (const ask of asks) if (!served) this.answers.missed(ask);
      if (!served) throw error;
      for (const ask of asks) {
        this.answers.serve(ask);
        ask.settle.reject(error);
      }
      return;
    }
    await this.#store(asks, values, creation);
    for (const [i, ask] of asks.entries()) {
      this.answers.created(ask, values[i]);
      ask.settle.resolve(values[i]);
    }
  }

  async #store(asks: readonly Ask[], values: readonly unknown[], creation: Creation): Promise<void> {
    const { core } = this;
    const created = creation.entries(asks, values);
    if (created.length === 0) return;
    try {
      await core.refreshInvalidations();
      const kept = created.filter(({ key, flight }) => flight && !creation.overtaken(key, flight));
      const keys = kept.map(({ key }) => key);
      const items = new Map(kept.map(({ stored, item }) => [stored, item]));
      const mutexes = new Map(kept.map(({ stored, mutex }) => [stored, mutex]));
      const storing = core.setMulti(keys, items, mutexes);
      for (const { flight } of kept) if (flight) flight.storing = storing;
      for (const _ of await storing) core.stats.count('superseded');
    } catch (error) {
      core.returnUnstored(error);
    } finally {
      for (const { flight } of asks) if (flight) flight.storing = undefined;
    }
  }

  /** Waits for another call of this process; whether the key is still open after it. */
  async #join(ask: Ask): Promise<Ask[]> {
    const joined = ask.joined as Promise<unknown>;
    try {
      const outcome = await (ask.gaveUp ? joined : within(joined, this.#patience(), LATE));
      this.answers.missed(ask);
      if (outcome === LATE && this.plan.onLockTimeout === 'throw') throw lockTimeout(ask.key, this.plan);
      ask.gaveUp = outcome === LATE;
      if (outcome === LATE || outcome === BUSY || outcome === GAVE_UP) return [ask];
      this.answers.created(ask, outcome);
    } catch (error) {
      if (this.plan.signal?.aborted || !servesOnError(ask.state, this.plan)) throw error;
      this.answers.serve(ask);
    }
    return [];
  }

  /** ms that are left of `lockTimeout`, in all. */
  #patience(): number {
    return Math.max(0, this.#giveUpAt - performance.now());
  }

  /** Waits until another process has freed the mutex, or for `lockTimeout` in all. */
  async #waitElsewhere(ask: Ask): Promise<Ask[]> {
    const { core } = this;
    this.answers.missed(ask);
    core.stats.count('waits');
    const mutex = core.mutex(ask.stored);
    try {
      ask.gaveUp = !(await core.acquire(mutex, ask.key, this.#patience(), this.plan.signal && this.#signal()));
      if (!ask.gaveUp) await core.release(mutex, ask.key);
    } catch (error) {
      core.serveAnyway(error);
      ask.down = true;
    }
    return [ask];
  }

  /** Waits for what others create, holding nothing; what is still open after it. */
  async #wait(joined: readonly Ask[], elsewhere: readonly Ask[]): Promise<Ask[]> {
    const waits = [...joined.map((ask) => this.#join(ask)), ...elsewhere.map((ask) => this.#waitElsewhere(ask))];
    return (await Promise.all(waits)).flat();
  }
}
