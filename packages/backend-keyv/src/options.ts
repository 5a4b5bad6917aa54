/** The arguments of `configure('keyv')`, and their checked form. */

import {
  type BackendContext,
  booleanOf,
  type Clock,
  type Duration,
  parseDuration,
  systemClock,
  ValidationError,
  wholeNumberOf,
} from '@stockpile/core';

/** A Keyv instance, a Keyv storage adapter or a Map: what they have in common. */
export interface KeyvStore {
  get(key: string): unknown;
  set(key: string, value: never, ttl?: number): unknown;
  delete(key: string): unknown;
}

/** The arguments of `configure('keyv')`. */
export interface KeyvArguments {
  /**
   * Where the entries go: a Keyv 5 (from 5.5) or 6 instance, a storage adapter of either, or a Map. It stays the
   * application's: `close` does not disconnect it.
   */
  readonly store: KeyvStore;
  /**
   * Nobody but this one region uses the store (or the namespace that it is set to): `clear` may call the store's own
   * `clear`, so it works where there is no iterator. Default false: only keys of the region are ever removed.
   */
  readonly exclusive?: boolean | 'true' | 'false' | undefined;
  /**
   * Most calls that the store has not settled, those included that ran out of time; beyond it calls fail at once with
   * `BackendUnavailableError`. 1 to 1,000,000, default 10,000. A Map has no such calls.
   */
  readonly maxPending?: number | `${number}` | undefined;
}

/** What a `KeyvBackend` that no region makes is given. */
export interface KeyvOptions extends KeyvArguments {
  /** By which a Map's entries end. Default: the system's. Other stores have their own. */
  readonly clock?: Clock | undefined;
  /** The bound on every operation. Default 2 s. */
  readonly timeout?: Duration | undefined;
  /** Hears of errors that the store emits while none of our calls is running. */
  readonly report?: BackendContext['report'];
}

/** `KeyvOptions`, checked. */
export interface KeyvSettings {
  readonly store: object;
  readonly exclusive: boolean;
  readonly maxPending: number;
  readonly clock: Clock;
  /** ms. */
  readonly timeout: number;
  readonly report: (operation: string, error: unknown) => void;
}

const DEFAULT_TIMEOUT_MS = 2000;
const MOST_PENDING = 1_000_000;

export function keyvSettings(options: KeyvOptions): KeyvSettings {
  const store: unknown = options?.store;
  if (typeof store !== 'object' || store === null) {
    // its type alone: a URL may have a password
    throw new ValidationError(
      `keyv: store must be a Keyv instance, a storage adapter or a Map, not ${store === null ? 'null' : `a value of type ${typeof store}`}; write arguments: { store: new Keyv(…) }`,
    );
  }
  const { exclusive = false, maxPending = 10_000, clock = systemClock, timeout = DEFAULT_TIMEOUT_MS } = options;
  return {
    store,
    exclusive: booleanOf(exclusive, 'keyv: exclusive'),
    maxPending: wholeNumberOf(maxPending, 'keyv: maxPending', 1, MOST_PENDING),
    clock,
    timeout: parseDuration(timeout, 'keyv: timeout'),
    report: options.report ?? (() => {}),
  };
}
