/** What two proxies add to a region. Stats are always on; nobody listens to its channels. */

import { ProxyBackend } from '@stockpile/core';
import { awaitedReads, reads } from '../loops.js';
import { filledRegion } from '../regions.js';
import { load } from '../workload.js';
import type { Group } from './index.js';

/** Overrides nothing. */
class PassThrough extends ProxyBackend {}

/** Overrides what a hit runs through. */
class Counting extends ProxyBackend {
  reads = 0;
  override get(key: string, now?: number): ReturnType<ProxyBackend['get']> {
    this.reads++;
    return this.proxied.get(key, now);
  }
}

export const WRAP = [PassThrough, Counting] as const;

export const proxies: Group = {
  title: 'A region behind two proxies, hit',
  reference: 'region.sync.get',
  async contenders() {
    const plain = filledRegion('memory');
    const wrapped = filledRegion('memory', WRAP);
    return [
      { name: 'region.sync.get', subject: 'memory', batch: reads((key) => plain.sync.get(key)) },
      { name: 'region.sync.get, 2 proxies', subject: 'memory', batch: reads((key) => wrapped.sync.get(key)) },
      {
        name: 'region.getOrCreate',
        subject: 'memory',
        batch: awaitedReads((key) => plain.getOrCreate(key, () => load(key))),
      },
      {
        name: 'region.getOrCreate, 2 proxies',
        subject: 'memory',
        batch: awaitedReads((key) => wrapped.getOrCreate(key, () => load(key))),
      },
    ];
  },
};
