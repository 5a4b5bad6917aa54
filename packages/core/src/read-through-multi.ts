/**
 * getOrCreateMulti: the decisions of read-through.ts for many keys, with one read, one creator call and one write.
 *
 * In rounds, so that callers of overlapping keys cannot deadlock: nobody waits while holding a mutex. A round reads
 * what is open, takes the mutexes that are free, creates, stores and frees; only then it waits for what others create,
 * and reads that again in the next round.
 */

import { type CachedValue, NO_VALUE } from './cached-value.js';
import { Creation, checkCreator } from './creation.js';
import { asCreation, bounded, refuseRecursion } from './creator.js';
import { type Freshness, isGone, isNewer } from './freshness.js';
import { alignAnswer, type MultiCreator } from './multi-creator.js';
import type { CacheMutex } from './mutex.js';
import type { GetOrCreateOptions, Plan } from './options.js';
import { lockTimeout } from './read-through.js';
import type { Found, RegionCore } from './region-core.js';
import { BUSY, type Flight } from './single-flight.js';

/** One key of the call that has no value yet. */
interface Ask {
  readonly key: string;
  readonly stored: string;
  seen: Found;
  state: Freshness;
  /** What may be served if somebody else creates, or the creator fails. */
  fallback: CachedValue | undefined;
  /** Its mutex could not be had within lockTimeout. */
  gaveUp: boolean;
  flight: Flight<unknown> | undefined;
  /** Ends our flight. */
  settle: { resolve(value: unknown): void; reject(error: unknown): void };
  mutex: CacheMutex | undefined;
}

export async function readThroughMulti(
  core: RegionCore,
  keys: readonly string[],
  creator: MultiCreator<unknown>,
  options?: GetOrCreateOptions,
): Promise<unknown[]> {
  const plan = core.planFor(options);
  checkCreator(creator);
  const asks = new Map(keys.map((key) => [key, newAsk(key, core.keys.stored(key))]));
  const read = new MultiRead(core, plan, creator);
  await (plan.signal === undefined
    ? read.run([...asks.values()])
    : untilAborted(read, [...asks.values()], plan.signal));
  return keys.map((key) => read.values.get(key));
}

class MultiRead {
  readonly values = new Map<string, unknown>();
  /** Aborted when the caller has left and nobody joined its flights. */
  readonly abandoned = new AbortController();
  readonly #flights: Flight<unknown>[] = [];
  readonly #giveUpAt: number;
  #down = false;

  constructor(
    private readonly core: RegionCore,
    private readonly plan: Plan,
    private readonly creator: MultiCreator<unknown>,
  ) {
    this.#giveUpAt = performance.now() + plan.lockTimeout;
  }

  async run(asks: Ask[]): Promise<void> {
    let open = asks;
    for (let round = 0; open.length > 0; round++) {
      const { writes } = this.core.coordination;
      await this.#read(open);
      const { ours, joined, behind } = this.#sort(open, round === 0);
      if (behind.length > 0) this.#createBehind(behind, writes);
      const elsewhere = await this.#produce(ours, writes);
      open = await this.#wait(joined, elsewhere);
    }
  }

  leave(reason: unknown): void {
    if (this.#flights.every((flight) => flight.callers === 0)) this.abandoned.abort(reason);
  }

  async #read(open: readonly Ask[]): Promise<void> {
    const { core } = this;
    const now = core.hitTime();
    let found: Found[];
    try {
      found = await core.getMulti(
        open.map((ask) => ask.stored),
        now,
      );
    } catch (error) {
      core.serveAnyway(error);
      this.#down = true;
      found = open.map(() => NO_VALUE);
    }
    for (const [i, ask] of open.entries()) {
      ask.seen = found[i] as Found;
      ask.state = core.judge(ask.seen, ask.key, now, this.plan);
      ask.fallback = (ask.state === 'stale' || ask.state === 'early') && ask.seen !== NO_VALUE ? ask.seen : undefined;
    }
  }

  /** Serves what can be served; the rest is ours to create, is being created in this process, or is renewed behind. */
  #sort(open: readonly Ask[], first: boolean): Record<'ours' | 'joined' | 'behind', Ask[]> {
    const { core, plan } = this;
    const sorted = { ours: [] as Ask[], joined: [] as Ask[], behind: [] as Ask[] };
    for (const { state, stored } of open) {
      const failure = isGone(state) && core.failures.remembered(stored, core.now());
      if (failure) throw failure.error;
    }
    for (const ask of open) {
      const { key, stored, state } = ask;
      const running = core.bypass ? undefined : core.flights.get(stored);
      const pausing = core.failures.backingOff(stored, core.now());
      const waits = plan.stale === 'wait' && state === 'stale';
      if (state === 'fresh') {
        this.values.set(key, (ask.seen as CachedValue).value);
        if (first) core.stats.hit(key);
      } else if (!isGone(state) && (pausing || plan.background !== false || (running && !waits))) {
        this.#serve(ask);
        if (plan.background !== false && !running && !pausing) sorted.behind.push(ask);
      } else {
        if (first) core.stats.miss(key, state === 'early' ? 'stale' : state);
        if (running) core.stats.count('waits');
        sorted[running ? 'joined' : 'ours'].push(ask);
        ask.flight = running;
      }
    }
    return sorted;
  }

  #serve({ key, fallback, state }: Ask): void {
    this.values.set(key, fallback?.value);
    if (state === 'early') this.core.stats.hit(key);
    else this.core.stats.stale(key);
  }

  #createBehind(asks: Ask[], writes: number): void {
    const work = this.#produce(asks, writes).then(
      () => {},
      (error) => this.core.stats.error('background', undefined, error),
    );
    if (typeof this.plan.background === 'function') this.plan.background(work);
  }

  /** Creates those of `asks` whose mutex is free; the others. */
  async #produce(asks: Ask[], writes: number): Promise<Ask[]> {
    if (asks.length === 0) return [];
    const { core } = this;
    for (const ask of asks) refuseRecursion(core, ask.stored, ask.key);
    for (const ask of asks) this.#takeOff(ask);
    try {
      const elsewhere = this.#down ? [] : await this.#takeMutexes(asks);
      let ours = asks.filter((ask) => !elsewhere.includes(ask));
      if (!this.#down && core.mayHaveChanged(writes)) ours = await this.#lookAgain(ours);
      if (ours.length > 0) await this.#create(ours);
      return elsewhere.filter((ask) => !this.values.has(ask.key));
    } catch (error) {
      for (const ask of asks) ask.settle.reject(error);
      throw error;
    } finally {
      await Promise.all(asks.map((ask) => ask.mutex && core.release(ask.mutex, ask.key)));
      for (const ask of asks) ask.mutex = undefined;
    }
  }

  /** Our flight of one key, which callers of that key join. */
  #takeOff(ask: Ask): void {
    ask.flight = this.core.flights.start(
      ask.stored,
      () => new Promise((resolve, reject) => (ask.settle = { resolve, reject })),
    );
    this.#flights.push(ask.flight);
  }

  /** Takes what is free without waiting. Those that others hold; unless they may be served stale, or were waited for. */
  async #takeMutexes(asks: readonly Ask[]): Promise<Ask[]> {
    const { core, plan } = this;
    const taken = await Promise.all(
      asks.map(async (ask) => {
        const mutex = core.mutex(ask.stored);
        if (!(await core.acquire(mutex, ask.key, 0, this.abandoned.signal))) return false;
        ask.mutex = mutex;
        if (ask.flight) ask.flight.onSuperseded = () => void core.release(mutex, ask.key);
        return true;
      }),
    ).catch((error) => {
      core.serveAnyway(error);
      this.#down = true;
      return asks.map(() => true);
    });
    const busy = asks.filter((_, i) => !taken[i]);
    for (const ask of busy) {
      if (ask.gaveUp && plan.onLockTimeout === 'throw') throw lockTimeout(ask.key, plan);
      if (ask.gaveUp) continue;
      ask.settle.resolve(BUSY);
      if (ask.fallback && (plan.stale === 'serve' || ask.state === 'early')) this.#serve(ask);
    }
    return busy.filter((ask) => !ask.gaveUp);
  }

  /** Under the mutexes: uses what arrived since the first read. */
  async #lookAgain(asks: Ask[]): Promise<Ask[]> {
    const before = asks.map((ask) => ask.seen);
    await this.#read(asks);
    return asks.filter((ask, i) => {
      if (ask.state !== 'fresh' || !isNewer(ask.seen, before[i] as Found)) return true;
      const { value } = ask.seen;
      this.values.set(ask.key, value);
      ask.settle.resolve(value);
      return false;
    });
  }

  async #create(asks: Ask[]): Promise<void> {
    const { core, plan } = this;
    const keys = asks.map((ask) => ask.key);
    const stored = asks.map((ask) => ask.stored);
    const stale = new Map(asks.flatMap(({ key, fallback }) => (fallback ? [[key, fallback.value] as const] : [])));
    const creation = new Creation(
      core,
      plan,
      asks.flatMap((ask) => ask.flight ?? []),
    );
    const work = async (signal: AbortSignal): Promise<unknown[]> =>
      alignAnswer(await this.creator(keys, { keys, stale, signal, ...creation.notes.writers() }), keys);
    let values: unknown[];
    try {
      values = await creation.run({ keys }, stored, () =>
        asCreation(core, stored, () =>
          bounded(work, this.abandoned.signal, plan.creatorTimeout, `${keys.length} keys`),
        ),
      );
    } catch (error) {
      const served = asks.every(({ state }) => state === 'early' || (state === 'stale' && plan.backOff !== undefined));
      if (!served) throw error;
      for (const ask of asks) {
        this.#serve(ask);
        ask.settle.reject(error);
      }
      return;
    }
    await this.#store(asks, values, creation);
    for (const [i, ask] of asks.entries()) {
      this.values.set(ask.key, values[i]);
      ask.settle.resolve(values[i]);
    }
  }

  async #store(asks: readonly Ask[], values: readonly unknown[], creation: Creation): Promise<void> {
    const { core } = this;
    const created = asks.flatMap((ask, i) => {
      const item = ask.mutex && creation.entry(ask.key, values[i]);
      return item ? [{ ask, item }] : [];
    });
    if (created.length === 0) return;
    try {
      await core.refreshInvalidations();
      const kept = created.filter(({ ask }) => !creation.overtaken(ask.key, ask.flight as Flight<unknown>));
      const items = new Map(kept.map(({ ask, item }) => [ask.stored, item]));
      const mutexes = new Map(kept.map(({ ask }) => [ask.stored, ask.mutex as CacheMutex]));
      for (const _ of await core.setMulti(items, mutexes)) core.stats.count('superseded');
    } catch (error) {
      core.serveAnyway(error);
    }
  }

  /** Waits for what others create, holding nothing; what is still open after it. */
  async #wait(joined: readonly Ask[], elsewhere: readonly Ask[]): Promise<Ask[]> {
    const waits = [
      ...joined.map(async (ask) => {
        const outcome = await ask.flight?.join(this.plan.signal);
        if (outcome === BUSY) return [ask];
        this.values.set(ask.key, outcome);
        return [];
      }),
      ...elsewhere.map(async (ask) => {
        this.core.stats.count('waits');
        const mutex = this.core.mutex(ask.stored);
        const patience = Math.max(0, this.#giveUpAt - performance.now());
        if (await this.core.acquire(mutex, ask.key, patience, this.abandoned.signal))
          await this.core.release(mutex, ask.key);
        else ask.gaveUp = true;
        return [ask];
      }),
    ];
    return (await Promise.all(waits)).flat();
  }
}

function newAsk(key: string, stored: string): Ask {
  const settle = { resolve: () => {}, reject: () => {} };
  return {
    key,
    stored,
    seen: NO_VALUE,
    state: 'absent',
    fallback: undefined,
    gaveUp: false,
    flight: undefined,
    settle,
    mutex: undefined,
  };
}

/** The run, or a rejection as soon as the caller's signal is aborted. */
function untilAborted(read: MultiRead, asks: Ask[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      reject(signal.reason);
      read.leave(signal.reason);
    };
    if (signal.aborted) return leave();
    signal.addEventListener('abort', leave, { once: true });
    read
      .run(asks)
      .then(resolve, reject)
      .finally(() => signal.removeEventListener('abort', leave));
  });
}
