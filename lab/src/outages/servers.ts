/** The servers of this machine. */

import { provideServers } from '@stockpile/servers';

/** Installs them where they are missing. Why they are not to be had; undefined: they are there. */
export async function whyNoServers(): Promise<string | undefined> {
  try {
    await provideServers();
    return undefined;
  } catch (error) {
    return String(error instanceof Error ? error.message : error).split('\n')[0];
  }
}
