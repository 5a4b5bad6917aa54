/** 46: many callers over a long time, in simulated time. */

import { describe, expect, test } from '@jest/globals';
import { AsyncBackend, Storage } from './helpers/async-backend.js';
import { KINDS, regionOn } from './helpers/setups.js';
import { VirtualTime } from './helpers/time.js';

const EXPIRY = 250;
const CREATION = 250;
const CALLERS = 10;
const ROUNDS = 5;
const PAUSE = 100;

/** A value that knows when its creation began. */
interface Dated {
  readonly began: number;
}

describe.each([...KINDS, { kind: 'three processes', make: undefined }])('over $kind', ({ make }) => {
  test.each([['serve' as const], ['wait' as const]])(
    '46: with stale: %p creators never overlap, and no value is older than expiry and creation',
    async (stale) => {
      const time = new VirtualTime();
      const options = { expirationTime: EXPIRY, grace: EXPIRY, stale };
      const storage = new Storage(time);
      const regions = make
        ? [regionOn(make(time), time, options)]
        : [1, 2, 3].map(() => regionOn(new AsyncBackend(storage, { locks: true }), time, options));
      const began = time.now();
      let running = 0;
      let most = 0;
      let creations = 0;
      let oldest = 0;
      let served = 0;
      const creator = async (): Promise<Dated> => {
        most = Math.max(most, ++running);
        creations++;
        const value = { began: time.now() };
        await time.sleep(CREATION);
        running--;
        return value;
      };
      const caller = async (i: number): Promise<void> => {
        await time.sleep(i * 7);
        for (let round = 0; round < ROUNDS; round++) {
          const value = (await regions[i % regions.length]?.getOrCreate('a', creator)) as Dated;
          oldest = Math.max(oldest, time.now() - value.began);
          served++;
          await time.sleep(PAUSE + i);
        }
      };
      const callers = Array.from({ length: CALLERS }, (_, i) => caller(i));
      await time.run();
      await Promise.all(callers);
      const took = time.now() - began;
      expect(served).toBe(CALLERS * ROUNDS);
      expect(most).toBe(1);
      expect(creations).toBeLessThanOrEqual(Math.ceil(took / EXPIRY));
      expect(creations).toBeGreaterThan(1);
      // a value ages from its storing: at most its creation, the expiry, and one creation of the next behind it
      expect(oldest).toBeLessThanOrEqual(CREATION + EXPIRY + (stale === 'serve' ? CREATION : 0));
    },
  );
});
