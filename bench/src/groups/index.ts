/** The comparisons, each run in processes of its own. */

import type { Contender } from '../harness.js';
import { awaitedGet } from './awaited-get.js';
import { getOrCreate } from './get-or-create.js';
import { lru } from './lru.js';
import { manyRegions } from './many-regions.js';
import { misses } from './misses.js';
import { multi } from './multi.js';
import { pickle } from './pickle.js';
import { proxies } from './proxies.js';
import { syncGet } from './sync-get.js';
import { writes } from './writes.js';

export interface Group {
  readonly title: string;
  /** Whose time is 1 in the tables. */
  readonly reference: string;
  readonly contenders: () => Promise<readonly Contender[]>;
}

export const GROUPS: Readonly<Record<string, Group>> = {
  'get-or-create': getOrCreate,
  'sync-get': syncGet,
  'awaited-get': awaitedGet,
  multi,
  pickle,
  lru,
  proxies,
  misses,
  writes,
  'many-regions': manyRegions,
};
