/** From a creator's value to the entry that is stored, and the decision not to store it. */

import { type CachedValue, NO_VALUE } from './cached-value.js';
import { CreationNotes, type CreatorContext, type Writers } from './creator.js';
import { ValidationError } from './errors.js';
import { verdictFor } from './freshness.js';
import type { CacheMutex } from './mutex.js';
import type { Plan } from './options.js';
import type { RegionCore } from './region-core.js';
import type { Claim } from './single-flight.js';
import { creations } from './stats.js';

/** One run of a creator, from its start until its value is stored. */
export class Creation {
  readonly notes: CreationNotes;
  readonly #startedAt: number;
  /** The result is judged as if it had been written when its creator began: what came between wins. */
  readonly #dated: number;
  #took = 0;

  constructor(
    private readonly core: RegionCore,
    private readonly plan: Plan,
    claims: readonly Claim[],
  ) {
    this.notes = new CreationNotes(plan);
    this.#startedAt = core.now();
    this.#dated = core.writeTime();
    for (const claim of claims) {
      claim.creating = true;
      claim.superseded = false; // what came before the creator began does not concern its result
    }
  }

  /** What a creator is told: `about` its keys, a signal that is made when looked at, and what it may say. */
  context<A extends object>(about: A, signal: () => AbortSignal): A & Pick<CreatorContext, 'signal'> & Writers {
    return {
      ...about,
      get signal() {
        return signal();
      },
      ...this.notes.writers(),
    };
  }

  /** Runs the creator, traced and counted; its failure is remembered for `stored` as the plan says. */
  async run<T>(
    asked: Asked,
    stored: readonly string[],
    wasAbandoned: () => boolean,
    work: () => Promise<T>,
  ): Promise<T> {
    const traced = creations.hasSubscribers ? () => creations.tracePromise(work, this.#message(asked)) : work;
    try {
      const value = await traced();
      this.#succeeded(stored);
      return value;
    } catch (error) {
      if (!wasAbandoned()) this.#failed(stored, error); // that all callers have left is no failure of the creator
      throw error;
    }
  }

  /** The same for `region.sync`. */
  runSync<T>(asked: Asked, stored: readonly string[], work: () => T): T {
    const traced = creations.hasSubscribers ? () => creations.traceSync(work, this.#message(asked)) : work;
    try {
      const value = traced();
      this.#succeeded(stored);
      return value;
    } catch (error) {
      this.#failed(stored, error);
      throw error;
    }
  }

  /** The entry to store for `key`; undefined where the application does not want it stored. */
  entry(key: string, value: unknown): CachedValue | undefined {
    const { core, plan, notes } = this;
    if (!notes.cached || (plan.shouldCache !== undefined && !plan.shouldCache(value as never, key))) return undefined;
    const creationTime = plan.earlyRefresh === undefined ? undefined : this.#took;
    return core.itemOf(value, { expirationTime: notes.expirationTime, tags: notes.tags, creationTime });
  }

  /** The entries of many created values: those with a mutex that the application wants stored. */
  entries<A extends { readonly key: string; readonly stored: string; readonly mutex: CacheMutex | undefined }>(
    asks: readonly A[],
    values: readonly unknown[],
  ): (A & { readonly item: CachedValue; readonly mutex: CacheMutex })[] {
    return asks.flatMap((ask, i) => {
      const item = ask.mutex && this.entry(ask.key, values[i]);
      return item && ask.mutex ? [{ ...ask, item, mutex: ask.mutex }] : [];
    });
  }

  /** Whether a write or an invalidation came between, by what is known in this process. */
  overtaken(key: string, claim: Claim): boolean {
    const verdict = verdictFor(key, this.#dated, this.notes.tags, this.core.policy.invalidator);
    if (!claim.superseded && verdict === 'valid') return false;
    this.core.stats.count('superseded');
    return true;
  }

  #succeeded(stored: readonly string[]): void {
    for (const key of stored) this.core.failures.forget(key);
    this.#took = Math.max(0, this.core.now() - this.#startedAt); // the clock may be set back
    this.core.stats.created(this.#took);
  }

  #failed(stored: readonly string[], error: unknown): void {
    this.core.stats.count('creationErrors');
    for (const key of stored) this.core.failures.note(key, error, this.core.now(), this.plan);
  }

  #message(asked: Asked): object {
    return { region: this.core.name, ...asked };
  }
}

/** What a creation is of, for those who trace it. */
type Asked = { readonly key: string } | { readonly keys: readonly string[] };

/** A creator's value, refused if it is the miss sentinel. */
export function checkCreated<T>(value: T, key: string): T {
  if ((value as unknown) !== NO_VALUE) return value;
  throw new ValidationError(
    `the creator of key '${key}' returned NO_VALUE; return undefined or null for "nothing", or throw`,
    { key },
  );
}

export function checkCreator(creator: unknown): void {
  if (typeof creator !== 'function') throw new ValidationError(`the creator must be a function, not ${typeof creator}`);
}
