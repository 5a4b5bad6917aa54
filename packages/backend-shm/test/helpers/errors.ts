/** Errors, to look at. */

import { StockpileError } from '@stockpile/core';

/** What `work` throws, which must be an error of ours. */
export function errorOf(work: () => unknown): StockpileError {
  try {
    work();
  } catch (error) {
    if (error instanceof StockpileError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
