/** lmdb-js as a cache would use it: in shared memory, nothing is synced to a disk, values are texts. */

import { mkdtempSync, rmSync } from 'node:fs';
import { open, type RootDatabase } from 'lmdb';
import { atExit } from '../at-exit.js';

export async function lmdbStore(entries: Iterable<readonly [string, string]>): Promise<RootDatabase<string, string>> {
  const folder = mkdtempSync('/dev/shm/stockpile-bench-');
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const store = open<string, string>({ path: folder, encoding: 'string', noSync: true });
  let last: Promise<boolean> | undefined;
  for (const [key, text] of entries) last = store.put(key, text);
  await last;
  return store;
}
