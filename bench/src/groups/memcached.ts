/** What a region over memcached costs beyond a bare client: over a socket, and TCP. */

import type { Contender } from '../harness.js';
import { atOnce, awaitedBoxedReads, awaitedMultiTextReads, awaitedTextReads, boxedAtOnce } from '../loops.js';
import { type MemcachedAskers, memcachedAskers } from '../servers/memcached.js';
import { LENGTH, storedKeys, storedSlices, WAYS, type Way } from '../servers/texts.js';
import { keys, slices } from '../workload.js';
import type { TimedGroup } from './index.js';

async function overBoth(
  contenders: (askers: MemcachedAskers, way: Way) => readonly Contender[],
): Promise<readonly Contender[]> {
  const askers = await memcachedAskers();
  return WAYS.flatMap((way) => contenders(askers[way], way));
}

export const memcachedGet: TimedGroup = {
  title: 'memcached: awaited get of a text of 100 characters, one after another',
  reference: 'memjs get, unix socket',
  contenders: () =>
    overBoth(({ bare, region, driver, bytes }, way) => [
      { name: `memjs get, ${way}`, batch: awaitedBoxedReads((key) => bare.get(key), keys, bytes) },
      {
        name: `region.get, ${way}`,
        subject: 'memcached',
        batch: awaitedTextReads((key) => region.get(key), keys, LENGTH),
      },
      { name: `get of the driver, ${way}`, batch: awaitedTextReads((key) => driver.get(key), storedKeys, bytes) },
    ]),
};

export const memcachedConcurrent: TimedGroup = {
  title: 'memcached: 100 concurrent gets (per 100)',
  reference: 'memjs get, unix socket',
  contenders: () =>
    overBoth(({ bare, region, driver, bytes }, way) => [
      { name: `memjs get, ${way}`, batch: boxedAtOnce((key) => bare.get(key), slices, bytes) },
      { name: `region.get, ${way}`, subject: 'memcached', batch: atOnce((key) => region.get(key), slices, LENGTH) },
      { name: `get of the driver, ${way}`, batch: atOnce((key) => driver.get(key), storedSlices, bytes) },
    ]),
};

export const memcachedMulti: TimedGroup = {
  title: 'memcached: 100 keys at once, hits (per call of 100)',
  reference: '100 memjs gets at once, unix socket',
  contenders: () =>
    overBoth(({ bare, region, driver, bytes }, way) => [
      { name: `100 memjs gets at once, ${way}`, batch: boxedAtOnce((key) => bare.get(key), slices, bytes) },
      {
        name: `region.getMulti, ${way}`,
        subject: 'memcached',
        batch: awaitedMultiTextReads((some) => region.getMulti(some), slices, LENGTH),
      },
      {
        name: `getMulti of the driver, ${way}`,
        batch: awaitedMultiTextReads((some) => driver.getMulti(some), storedSlices, bytes),
      },
    ]),
};
