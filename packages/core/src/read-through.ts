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
import { LATE, within } from './deadline.js';
import { decide, servesOnError, waitsForNew } from './decision.js';
import { LockTimeoutError } from './errors.js';
import { type Freshness, isNewer, missReason, staleOf } from './freshness.js';
import type { CacheMutex } from './mutex.js';
import type { GetOrCreateOptions, Plan } from './options.js';
import type { Found, RegionCore } from './region-core.js';
import { BUSY, type Flight, GAVE_UP } from './single-flight.js';

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
  const reason = request.down ? 'unavailable' : missReason(state);
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
    core.stats.miss(key, reason);
    throw error;
  }
  if (outcome === BUSY) return serve();
  core.stats.miss(key, reason);
  return outcome;
}

/** Waits for the flight of the key, or starts it; for another's flight as long as for the mutex. */
async function wait(core: RegionCore, request: Request): Promise<unknown> {
  const { key, plan, patience } = request;
  const giveUpAt = performance.now() + (patience ?? 0);
  for (;;) {
    const left = Math.max(0, giveUpAt - performance.now());
    const running = flightToJoin(core, request);
    if (running === undefined) {
      const outcome = await start(core, patience === undefined ? request : { ...request, patience: left }).join(
        plan.signal,
      );
      if (outcome === GAVE_UP) return giveUp(core, request);
      if (outcome !== BUSY || patience === undefined) return outcome;
    } else {
      core.stats.count('waits');
      const outcome = await within(running.join(plan.signal), left, LATE);
      if (outcome === LATE) {
        if (plan.signal === undefined) running.leave(lockTimeout(key, plan)); // with a signal it leaves by that
        return giveUp(core, request);
      }
      if (outcome !== BUSY && outcome !== GAVE_UP) return outcome;
    }
    // the flight was one with less patience: once more
  }
}

/** A refresh joins only a refresh that has not begun to create. */
function flightToJoin(core: RegionCore, { stored, forced }: Request): Flight<unknown> | undefined {
  const running = core.bypass ? undefined : core.flights.get(stored);
  return forced && !(running?.forced && !running.creating) ? undefined : running;
}

/** Those who give up within so many ms of each other share a creation, however fast it is. */
const TOGETHER_MS = 5;

/** After `lockTimeout`: an error, or one creation for all who have given up, not stored. */
function giveUp(core: RegionCore, request: Request): Promise<unknown> {
  const { key, stored, plan } = request;
  if (plan.onLockTimeout === 'throw') throw lockTimeout(key, plan);
  const create = async (own: Flight<unknown>): Promise<unknown> => {
    const value = await runCreator(core, own, request, undefined);
    await new Promise((resolve) => setTimeout(resolve, TOGETHER_MS));
    return value;
  };
  return (core.unstored.get(stored) ?? core.unstored.start(stored, create)).join(plan.signal);
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
  const { writes } = core.coordination;
  const unseen = { seen: NO_VALUE, stale: NO_VALUE } as const;
  return wait(core, { key, stored, plan, creator, ...unseen, writes, patience: plan.lockTimeout, forced: true });
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
  const { key, patience } = request;
  const lock = request.down ? 'down' : await takeMutex(core, request, flight);
  if (lock === 'busy' && patience === undefined) return BUSY;
  const mutex = typeof lock === 'string' ? undefined : lock;
  try {
    flight.throwIfAbandoned();
    if (lock !== 'down' && !request.forced && (mutex === undefined || core.mayHaveChanged(request.writes))) {
      do {
        flight.superseded = false; // a write while we look: look once more
        const arrived = await lookAgain(core, request);
        if (arrived !== NO_VALUE) return arrived.value;
      } while (flight.superseded);
    }
    if (lock === 'busy') return GAVE_UP;
    return await runCreator(core, flight, request, mutex);
  } finally {
    if (mutex !== undefined) await core.release(mutex, key);
  }
}

/** Our mutex; `busy`: not to be had in time; `down`: the backend failed, and the region fails open. */
async function takeMutex(
  core: RegionCore,
  { key, stored, patience = 0, plan: { signal } }: Request,
  flight: Flight<unknown>,
): Promise<CacheMutex | 'busy' | 'down'> {
  try {
    const mutex = core.mutex(stored);
    return (await core.acquire(mutex, key, patience, signal && flight.abandoned.signal)) ? mutex : 'busy';
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
  const abandoned = (): AbortSignal => flight.abandoned.signal;
  const value: unknown = await creation.run(
    { key },
    [stored],
    () => abandoned().aborted,
    () =>
      asCreation(core, [stored], () =>
        bounded(
          (signal) => creator(creation.context({ key, stale }, signal)),
          abandoned,
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
