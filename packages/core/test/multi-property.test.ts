/** Callers of random overlapping keys: never a deadlock, never two creators of one key at a time. */

import { describe, expect, test } from '@jest/globals';
import type { Region } from '@stockpile/core';
import fc from 'fast-check';
import { AsyncBackend, Storage } from './helpers/async-backend.js';
import { KINDS, type Kind, regionOn } from './helpers/setups.js';
import { VirtualTime } from './helpers/time.js';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'];

interface Caller {
  readonly process: number;
  readonly startsAt: number;
  readonly keys: string[];
  readonly creatorTakes: number;
  readonly single: boolean;
  readonly fails: boolean;
}

const caller: fc.Arbitrary<Caller> = fc.record({
  process: fc.nat(2),
  startsAt: fc.nat(20),
  keys: fc.array(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 8 }),
  creatorTakes: fc.nat(20),
  single: fc.boolean(),
  fails: fc.boolean(),
});

/** Runs the callers; what each got, how often each key was created, and the most creators of one key at a time. */
async function play(callers: readonly Caller[], regions: readonly Region<unknown>[], time: VirtualTime) {
  const running = new Map<string, number>();
  const creations = new Map<string, number>();
  let most = 0;
  const create = async (keys: readonly string[], { creatorTakes, fails }: Caller): Promise<string[]> => {
    for (const key of keys) {
      const now = (running.get(key) ?? 0) + 1;
      running.set(key, now);
      creations.set(key, (creations.get(key) ?? 0) + 1);
      most = Math.max(most, now);
    }
    await time.sleep(creatorTakes);
    for (const key of keys) running.set(key, (running.get(key) ?? 0) - 1);
    if (fails) throw new Error('no database');
    return keys.map((key) => `value of ${key}`);
  };
  const outcomes = callers.map(async (one) => {
    await time.sleep(one.startsAt);
    const region = regions[one.process % regions.length] as Region<unknown>;
    const [key = ''] = one.keys;
    return one.single
      ? [await region.getOrCreate(key, async () => (await create([key], one))[0])]
      : region.getOrCreateMulti(one.keys, (keys) => create(keys, one));
  });
  const settled = Promise.allSettled(outcomes);
  await time.run();
  return { settled: await settled, creations, most };
}

async function check(
  callers: readonly Caller[],
  regions: readonly Region<unknown>[],
  time: VirtualTime,
): Promise<void> {
  const { settled, creations, most } = await play(callers, regions, time);
  expect(most).toBeLessThanOrEqual(1);
  for (const [i, outcome] of settled.entries()) {
    const { keys, single } = callers[i] as Caller;
    if (outcome.status === 'fulfilled') {
      expect(outcome.value).toEqual((single ? keys.slice(0, 1) : keys).map((key) => `value of ${key}`));
    } else {
      expect(outcome.reason).toEqual(new Error('no database'));
      expect(callers.some(({ fails }) => fails)).toBe(true);
    }
  }
  if (callers.every(({ fails }) => !fails)) for (const count of creations.values()) expect(count).toBe(1);
  for (const region of regions) for (const key of KEYS) expect(await region.keyIsLocked(key)).toBe(false);
}

describe.each(KINDS)('over $kind', (kind: Kind) => {
  test('50: in one process', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(caller, { minLength: 2, maxLength: 8 }), async (callers) => {
        const time = new VirtualTime();
        await check(callers, [regionOn(kind.make(time), time)], time);
      }),
      { numRuns: 150 },
    );
  });

  test('50: in one process, when no creator fails', async () => {
    const sound = caller.map((one) => ({ ...one, fails: false }));
    await fc.assert(
      fc.asyncProperty(fc.array(sound, { minLength: 2, maxLength: 8 }), async (callers) => {
        const time = new VirtualTime();
        await check(callers, [regionOn(kind.make(time), time)], time);
      }),
      { numRuns: 150 },
    );
  });
});

describe('over three backend objects on one storage', () => {
  const processes = (time: VirtualTime): Region<unknown>[] => {
    const storage = new Storage(time);
    return [1, 2, 3].map(() => regionOn(new AsyncBackend(storage, { locks: true }), time));
  };

  test('50: in three processes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(caller, { minLength: 2, maxLength: 8 }), async (callers) => {
        const time = new VirtualTime();
        await check(callers, processes(time), time);
      }),
      { numRuns: 150 },
    );
  });

  test('50: in three processes, when no creator fails', async () => {
    const sound = caller.map((one) => ({ ...one, fails: false }));
    await fc.assert(
      fc.asyncProperty(fc.array(sound, { minLength: 2, maxLength: 8 }), async (callers) => {
        const time = new VirtualTime();
        await check(callers, processes(time), time);
      }),
      { numRuns: 150 },
    );
  });
});
