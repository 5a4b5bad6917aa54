/**
 * getOrCreate, the heart.
 *
 *   entry                        | nobody creates                       | somebody creates
 *   fresh                        | return it                            | return it
 *   stale                        | take the mutex without waiting,      | return the stale value,
 *                                |   create                             |   or wait (stale: 'wait')
 *   absent, invalidated, expired | take the mutex, read again, create   | wait, read again, use what arrived
 */

import { isPromise } from './awaitable.js';
import { type CachedValue, NO_VALUE } from './cached-value.js';
import { Creation, checkCreated, checkCreator } from './creation.js';
import { asCreation, bounded, type Creator, refuseRecursion } from './creator.js';
import { withDeadline } from './deadline.js';
import { decide, servesOnError, waitsForNew } from './decision.js';
import { LockTimeoutError } from './errors.js';
import { type Freshness, isNewer, missReason, staleOf } from './freshness.js';
import type { CacheMutex } from './mutex.js';
import type { GetOrCreateOptions, Plan } from './options.js';
import type { Found, RegionCore } from './region-core.js';
import { BUSY, type Flight } from './single-flight.js';

/** One call, as its flight needs it. */
interface Request {
  readonly key: string;
  readonly stored: string;
  readonly plan: Plan;
  readonly creator: Creator<unknown>;
  /** What the call read, and the write count of that moment. */
  readonly seen: Found;
  /** What the creator is told of it: the value, where it could be served. */
  readonly stale: unknown;
  readonly writes: number;
  /** ms to wait for the mutex; undefined: do not, be `BUSY`. */
  readonly patience: number | undefined;
  /** Create whatever is stored (`refresh`). */
  readonly forced?: boolean;
  /** The backend could not be read: neither lock nor store, it would cost another timeout. */
  readonly down?: boolean;
}

export async function readThrough(
  core: RegionCore,
  key: string,
  creator: Creator<unknown>,
  options?: GetOrCreateOptions,
): Promise<unknown> {
  const stored = core.keys.stored(key);
  const plan = core.planFor(options);
  const now = core.hitTime();
  const { writes } = core.coordination;
  let entry: Found = NO_VALUE;
  let down = false;
  try {
    const answer = core.get(key, stored, now);
    entry = isPromise(answer) ? await answer : answer;
  } catch (error) {
    core.serveAnyway(error);
    down = true;
  }
  const state = core.judge(entry, key, now, plan);
  if (state === 'fresh') {
    core.stats.hit(key);
    return (entry as CachedValue).value;
  }
  checkCreator(creator);
  const stale = staleOf(entry, state);
  const request: Omit<Request, 'patience'> = { key, stored, plan, creator, seen: entry, stale, writes, down };
  return proceed(core, request, state);
}

/** What follows where the entry is not fresh. */
async function proceed(
  core: RegionCore,
  request: Omit<Request, 'patience'>,
  state: Exclude<Freshness, 'fresh'>,
): Promise<unknown> {
  const { key, stored, plan, seen } = request;
  const serve = (): unknown => {
    if (state === 'early') core.stats.hit(key);
    else core.stats.stale(key);
    return (seen as CachedValue).value;
  };
  const decision = decide(core, stored, state, plan);
  if (decision === 'behind') createBehind(core, request);
  if (decision === 'serve' || decision === 'behind') return serve();
  refuseRecursion(core, stored, key);
  plan.signal?.throwIfAborted();
  const patience = waitsForNew(state, plan) ? plan.lockTimeout : undefined;
  let outcome: unknown;
  try {
    outcome = await wait(core, { ...request, patience });
  } catch (error) {
    if (servesOnError(state, plan) && !plan.signal?.aborted) return serve();
    core.stats.miss(key, missReason(state));
    throw error;
  }
  if (outcome === BUSY) return serve();
  core.stats.miss(key, missReason(state));
  return outcome;
}

/** Waits for the flight of the key, or starts it. */
async function wait(core: RegionCore, request: Request): Promise<unknown> {
  const { key, stored, plan, patience } = request;
  for (;;) {
    const running = core.bypass ? undefined : core.flights.get(stored);
    if (running === undefined || patience === undefined) {
      const outcome = await (running ?? start(core, request)).join(plan.signal);
      if (outcome !== BUSY || patience === undefined) return outcome;
    } else {
      core.stats.count('waits');
      const late = lockTimeout(key, plan);
      const joined = running.join(plan.signal);
      try {
        const outcome = await withDeadline(joined, patience, () => late);
        if (outcome !== BUSY) return outcome;
      } catch (error) {
        if (error !== late || plan.onLockTimeout === 'throw') throw error;
        if (running.creating) return createUnstored(core, request);
        // one that still waits for the mutex creates by itself when its own time is up
        const outcome = await joined;
        if (outcome !== BUSY) return outcome;
      }
    }
    // the flight was one that did not wait for the mutex: now wait for it
  }
}

/** For callers that have waited for `lockTimeout`: one creation for all of them, beside the one that goes on. */
function createUnstored(core: RegionCore, request: Request): Promise<unknown> {
  const running = core.unstored.get(request.stored);
  const flight = running ?? core.unstored.start(request.stored, (own) => runCreator(core, own, request, undefined));
  return flight.join(request.plan.signal);
}

/** Creates whatever is stored. Never joins a creation that began before; refreshes that wait for the mutex are one. */
export async function refresh(
  core: RegionCore,
  key: string,
  creator: Creator<unknown>,
  options?: GetOrCreateOptions,
): Promise<unknown> {
  const stored = core.keys.stored(key);
  const plan = core.planFor(options);
  checkCreator(creator);
  refuseRecursion(core, stored, key);
  plan.signal?.throwIfAborted();
  const running = core.bypass ? undefined : core.flights.get(stored);
  if (running?.forced && !running.creating) return running.join(plan.signal);
  const { writes } = core.coordination;
  const request = {
    key,
    stored,
    plan,
    creator,
    seen: NO_VALUE,
    stale: NO_VALUE,
    writes,
    patience: plan.lockTimeout,
    forced: true,
  } as const;
  return start(core, request).join(plan.signal);
}

function start(core: RegionCore, request: Request): Flight<unknown> {
  return core.flights.start(request.stored, (flight) => regenerate(core, flight, request), request.forced);
}

/** Creates while the caller goes on with a stale value. A failure is an event and a count. */
function createBehind(core: RegionCore, request: Omit<Request, 'patience'>): void {
  const work = start(core, { ...request, patience: undefined })
    .join(undefined)
    .then(
      () => {},
      (error) => core.stats.error('background', request.key, error),
    );
  if (typeof request.plan.background === 'function') request.plan.background(work);
}

/** The work of a flight: mutex, second look, creator, store, release. */
async function regenerate(core: RegionCore, flight: Flight<unknown>, request: Request): Promise<unknown> {
  const { key, plan, patience } = request;
  const lock = request.down ? 'down' : await takeMutex(core, request, flight);
  if (lock === 'busy' && patience === undefined) return BUSY;
  const mutex = typeof lock === 'string' ? undefined : lock;
  try {
    flight.abandoned.signal.throwIfAborted();
    if (lock !== 'down' && !request.forced && (mutex === undefined || core.mayHaveChanged(request.writes))) {
      do {
        flight.superseded = false; // a write while we look: look once more
        const arrived = await lookAgain(core, request);
        if (arrived !== NO_VALUE) return arrived.value;
      } while (flight.superseded);
    }
    if (lock === 'busy' && plan.onLockTimeout === 'throw') throw lockTimeout(key, plan);
    return await runCreator(core, flight, request, mutex);
  } finally {
    if (mutex !== undefined) await core.release(mutex, key);
  }
}

/** Our mutex; `busy`: not to be had in time; `down`: the backend failed, and the region fails open. */
async function takeMutex(
  core: RegionCore,
  { key, stored, patience = 0 }: Request,
  flight: Flight<unknown>,
): Promise<CacheMutex | 'busy' | 'down'> {
  try {
    const mutex = core.mutex(stored);
    return (await core.acquire(mutex, key, patience, flight.abandoned.signal)) ? mutex : 'busy';
  } catch (error) {
    core.serveAnyway(error);
    return 'down';
  }
}

/** A fresh value that somebody stored since the call read; `NO_VALUE` also when the backend fails open. */
async function lookAgain(core: RegionCore, { key, stored, plan, seen }: Request): Promise<Found> {
  try {
    const now = core.now();
    const again = await core.get(key, stored, now);
    return isNewer(again, seen) && core.judge(again, key, now, { ...plan, earlyRefresh: undefined }) === 'fresh'
      ? again
      : NO_VALUE;
  } catch (error) {
    core.serveAnyway(error);
    return NO_VALUE;
  }
}

export function lockTimeout(key: string, { lockTimeout }: Plan): LockTimeoutError {
  return new LockTimeoutError(`key '${key}': its mutex could not be had within lockTimeout, ${lockTimeout} ms`, {
    key,
  });
}

async function runCreator(
  core: RegionCore,
  flight: Flight<unknown>,
  request: Request,
  mutex: CacheMutex | undefined,
): Promise<unknown> {
  const { key, stored, plan, creator, stale } = request;
  // from here on a write makes the result outdated: whoever comes after it need not wait for us
  if (mutex !== undefined) flight.onSuperseded = () => void core.release(mutex, key);
  const creation = new Creation(core, plan, [flight]);
  const value: unknown = await creation.run({ key }, [stored], flight.abandoned.signal, () =>
    asCreation(core, [stored], () =>
      bounded(
        (signal) => creator(creation.context(key, stale, signal)),
        flight.abandoned.signal,
        plan.creatorTimeout,
        `key '${key}'`,
      ),
    ),
  );
  checkCreated(value, key);
  if (mutex !== undefined) await store(core, flight, request, creation, value, mutex);
  return value;
}

/** Stores what was created, unless somebody came between. The callers have their value in any case. */
async function store(
  core: RegionCore,
  flight: Flight<unknown>,
  { key, stored }: Request,
  creation: Creation,
  value: unknown,
  mutex: CacheMutex,
): Promise<void> {
  const item = creation.entry(key, value);
  if (item === undefined) return;
  try {
    await core.refreshInvalidations();
    if (creation.overtaken(key, flight)) return;
    flight.storing = core.set(key, stored, item, mutex);
    if (!(await flight.storing)) core.stats.count('superseded');
  } catch (error) {
    core.returnUnstored(error);
  } finally {
    flight.storing = undefined;
  }
}
