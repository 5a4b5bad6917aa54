/** Key events: what a subscriber hears, and the listener table of in-process backends. */

import { inspect } from 'node:util';

/** What happened to a key. The value is read, not carried. */
export interface KeyEvent {
  /** `overflow`: events were lost, anything may have changed. */
  readonly type: 'set' | 'delete' | 'clear' | 'overflow';
  /** Undefined for `clear` (all keys of the namespace) and `overflow`. */
  readonly key: string | undefined;
  /** Whether this process did it. */
  readonly local: boolean;
}

/** The listeners of one in-process backend. Emitting costs one comparison while nobody listens. */
export class KeyEvents {
  readonly #listeners = new Set<{ prefix: string; listener: (event: KeyEvent) => void }>();

  subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    const entry = { prefix, listener };
    this.#listeners.add(entry);
    return { [Symbol.dispose]: () => void this.#listeners.delete(entry) };
  }

  emit(type: 'set' | 'delete', key: string): void {
    if (this.#listeners.size === 0) return;
    this.#tell({ type, key, local: true }, (prefix) => key.startsWith(prefix));
  }

  /** Everything under `prefix` is gone: told to those who listen within it or around it. */
  emitClear(prefix: string): void {
    if (this.#listeners.size === 0) return;
    const event: KeyEvent = { type: 'clear', key: undefined, local: true };
    this.#tell(event, (other) => other.startsWith(prefix) || prefix.startsWith(other));
  }

  /** A listener that throws must not harm the writer nor the other listeners. */
  #tell(event: KeyEvent, concerns: (prefix: string) => boolean): void {
    for (const { prefix, listener } of [...this.#listeners]) {
      if (!concerns(prefix)) continue;
      try {
        listener(event);
      } catch (error) {
        process.emitWarning(`a listener of key events threw: ${inspect(error)}`, 'StockpileWarning');
      }
    }
  }
}
