/** How backends are made by name: their arguments, and what the region tells them. */

import type { BytesBackend, CacheBackend } from './backend.js';
import type { Clock } from './clock.js';

/**
 * The arguments of each backend by name. A backend package adds its own:
 * @example
 * declare module '@stockpile/core' {
 *   interface BackendArguments { mine: { url: string } }
 * }
 */
export interface BackendArguments {
  null: Record<string, never>;
}

/** The arguments that `configure(name)` takes: exact for known names, free for others. */
export type ArgumentsOf<N extends string> = N extends keyof BackendArguments
  ? BackendArguments[N]
  : Readonly<Record<string, unknown>>;

/** What the region tells the driver that it makes. */
export interface BackendContext {
  readonly clock: Clock;
  /** ms in which every operation must settle. */
  readonly timeout: number;
  /** The region's name, for messages. */
  readonly region: string;
  /** Tells of a failure that no caller sees: counted in `region.stats().errors`, published on `stockpile:error`. */
  readonly report?: (operation: string, error: unknown) => void;
}

/**
 * Makes a driver, synchronously: connections are opened by the first operation. Unknown arguments are ignored, since they
 * may be meant for another backend; those that can only be misspelt may be refused.
 */
export type BackendFactory<A = Readonly<Record<string, unknown>>> = (
  args: Readonly<A>,
  context: BackendContext,
) => CacheBackend | BytesBackend;
