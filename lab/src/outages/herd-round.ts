/** What came of one round of a herd: who created what, what was stored, who got what. */

import { type CreationId, DAMAGED, type NotedCreation } from './hosts-task.js';

export interface RoundFacts {
  readonly keys: readonly string[];
  readonly creations: readonly NotedCreation[];
  /** Every value that was found stored, aligned with the keys. */
  readonly stored: readonly (readonly CreationId[])[];
  /** The process that was killed or stopped. */
  readonly disturbed: number | undefined;
  /** Creations that something came between: what comes of them must not be stored. */
  readonly cutOff: readonly NotedCreation[];
}

export class HerdRound {
  constructor(private readonly facts: RoundFacts) {}

  /** Keys with several creators, those of the disturbed process aside. */
  createdTwice(): string[] {
    const { keys, creations, disturbed } = this.facts;
    return keys.filter((key) => creations.filter((one) => one.key === key && one.pid !== disturbed).length > 1);
  }

  storedTwice(): string[] {
    return this.#keysWhere((ids) => ids.length > 1);
  }

  neverStored(): string[] {
    return this.#keysWhere((ids) => ids.length === 0);
  }

  damaged(): string[] {
    return this.#keysWhere((ids) => ids.includes(DAMAGED));
  }

  /** Keys of which a creation was stored that had been cut off. */
  outdated(): string[] {
    return this.#keysWhere((ids) => this.facts.cutOff.some(({ id }) => ids.includes(id)));
  }

  /** Creations that were cut off, ended all the same, and were not stored. */
  refused(): number {
    const { creations, cutOff, stored } = this.facts;
    const late = cutOff.filter(({ id }) => creations.some((one) => one.id === id && one.ended !== undefined));
    return late.filter(({ id }) => !stored.flat().includes(id)).length;
  }

  /** Keys for which somebody got something else than what is stored. */
  differing(answers: readonly (readonly CreationId[])[]): string[] {
    const { keys, stored } = this.facts;
    return keys.filter((_, i) => answers.some((answer) => answer[i] !== stored[i]?.[0]));
  }

  /** ms from `at` until others began to create what had been cut off; Infinity: they have not. */
  takeovers(at: number): number[] {
    const { creations, cutOff } = this.facts;
    return cutOff.map(({ key, pid }) => {
      const others = creations.filter((one) => one.key === key && one.pid !== pid && one.began > at);
      return Math.min(...others.map(({ began }) => began - at));
    });
  }

  #keysWhere(holds: (ids: readonly CreationId[]) => boolean): string[] {
    return this.facts.keys.filter((_, i) => holds(this.facts.stored[i] ?? []));
  }
}
