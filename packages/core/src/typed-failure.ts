/** From whatever a driver throws to one of our errors. */

import { BackendUnavailableError, StockpileError } from './errors.js';

/** What a driver threw, as it was if it is one of ours, else as the cause of a `BackendUnavailableError`. */
export function typedFailure(error: unknown, what: string): StockpileError {
  if (error instanceof StockpileError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new BackendUnavailableError(`${what} failed: ${message}`, { cause: error });
}
