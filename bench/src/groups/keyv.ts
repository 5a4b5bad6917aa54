/** What a region over a Keyv costs beside that Keyv itself: both over the Map that is Keyv's own store. */

import '@stockpile/backend-keyv';
import { createRegion } from '@stockpile/core';
import { awaitedTextReads } from '../loops.js';
import { keyv } from '../peers.js';
import { LENGTH, REGION, texts } from '../servers/texts.js';
import { keys, TTL_MS } from '../workload.js';
import type { TimedGroup } from './index.js';

export const keyvGet: TimedGroup = {
  title: 'Keyv over its own Map: awaited get of a text of 100 characters',
  reference: 'Keyv get',
  async contenders() {
    const bare = keyv(TTL_MS);
    for (const [key, text] of texts) await bare.set(key, text);
    const region = createRegion<string>({ name: REGION }).configure('keyv', {
      expirationTime: TTL_MS,
      arguments: { store: keyv(TTL_MS) },
    });
    await region.setMulti(texts);
    return [
      {
        name: 'Keyv get',
        subject: 'keyv',
        batch: awaitedTextReads((key) => bare.get<string>(key), keys, LENGTH),
      },
      {
        name: 'region.get (keyv)',
        subject: 'keyv backend',
        batch: awaitedTextReads((key) => region.get(key), keys, LENGTH),
      },
    ];
  },
};
