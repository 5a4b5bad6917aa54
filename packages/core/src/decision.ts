/** The table of getOrCreate, for one entry: shared by its single, multi and synchronous forms. */

import { type Freshness, isGone } from './freshness.js';
import type { Plan } from './options.js';
import type { RegionCore } from './region-core.js';

/**
 * `hit`: serve the fresh value. `serve`: serve the older one. `behind`: serve it, and create behind it. `join`: wait
 * for the creation that runs in this process. `create`: take the mutex and create.
 */
export type Decision = 'hit' | 'serve' | 'behind' | 'join' | 'create';

/** Throws the remembered error of a creator that failed less than `errorTtl` ago. */
export function decide(core: RegionCore, stored: string, state: Freshness, plan: Plan): Decision {
  if (state === 'fresh') return 'hit';
  const running = !core.bypass && core.flights.get(stored) !== undefined;
  const failure = running ? undefined : core.failures.remembered(stored, core.now());
  if (!isGone(state)) {
    if (core.failures.backingOff(stored, core.now())) return 'serve';
    if (plan.background !== false) return running || failure !== undefined ? 'serve' : 'behind';
    if (running && !waitsForNew(state, plan)) return 'serve';
    if (failure !== undefined && servesOnError(state, plan)) return 'serve';
  }
  if (failure !== undefined) throw failure.error;
  return running ? 'join' : 'create';
}

/** Whether a caller waits while somebody else creates, rather than take the older value. */
export function waitsForNew(state: Freshness, plan: Plan): boolean {
  return isGone(state) || (state === 'stale' && plan.stale === 'wait');
}

/** Whether the older value is served where the creator fails. */
export function servesOnError(state: Freshness, plan: Plan): boolean {
  return state === 'early' || (state === 'stale' && plan.backOff !== undefined);
}
