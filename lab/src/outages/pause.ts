/** SIGSTOP for a server with several threads. */

import { readdirSync, readFileSync } from 'node:fs';
import type { RunningServer } from '@stockpile/servers';
import { until } from '../processes/scene.js';

const PATIENCE_MS = 5000;

/** Resolves once none of its threads runs: on a busy machine some answer on for a while. */
export async function pause(server: RunningServer): Promise<void> {
  server.pause();
  await until(() => isStopped(server.pid), PATIENCE_MS);
}

/** Where the system does not tell, it is taken for stopped. */
function isStopped(pid: number): boolean {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.every((thread) => /\) T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'latin1')));
  } catch {
    return true;
  }
}
