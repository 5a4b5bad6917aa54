/** Tells the user's `onDelete` which entries have left, once the operation that made them leave is over. */

import { inspect } from 'node:util';

/** `evict`: for space. `expire`: by time. `delete` and `clear`: by request. An overwrite is none of them. */
export type DeleteReason = 'delete' | 'clear' | 'evict' | 'expire';

/** `key` is the stored key (namespace included). */
export type OnDelete = (key: string, value: unknown, reason: DeleteReason) => void;

export class Departures {
  readonly #waiting: [key: string, value: unknown, reason: DeleteReason][] = [];
  #telling = false;

  constructor(private readonly onDelete: OnDelete | undefined) {}

  add(key: string, value: unknown, reason: DeleteReason): void {
    if (this.onDelete !== undefined) this.#waiting.push([key, value, reason]);
  }

  /**
   * Called where the store is whole again. The callback may use the cache: what it makes leave is told after what
   * left before. What it throws becomes a process warning and keeps nobody else from hearing.
   */
  tell(): void {
    if (this.#telling || this.#waiting.length === 0) return;
    this.#telling = true;
    // an array's iterator sees what is appended meanwhile
    for (const departure of this.#waiting) {
      try {
        this.onDelete?.(...departure);
      } catch (error) {
        // as text: emitWarning itself throws for an Error of another realm
        process.emitWarning(`onDelete threw: ${inspect(error)}`, 'StockpileWarning');
      }
    }
    this.#waiting.length = 0;
    this.#telling = false;
  }
}
