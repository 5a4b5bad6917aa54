/** Waiting for what other processes do. */

import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
/** On a loaded machine. */
const MOST_MS = 30_000;

/** Polls until `condition` holds; a rejection counts as "not yet". @throws Error that says what did not happen in time. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + MOST_MS;
  let reason: unknown;
  while (
    !(await condition().catch((error: unknown) => {
      reason = error;
      return false;
    }))
  ) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${MOST_MS} ms`, { cause: reason });
    await sleep(POLL_MS);
  }
}
