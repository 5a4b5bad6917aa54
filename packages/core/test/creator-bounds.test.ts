/** What ends a creator's time, and a caller's patience. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, jest, test } from '@jest/globals';
import { type CreatorContext, NO_VALUE } from '@stockpile/core';
import { asCreation } from '../src/creator.js';
import { KINDS, setUp, twoProcesses } from './helpers/setups.js';
import { failureOf, Gate, isPending, settle } from './helpers/time.js';

/** A creator that runs until the test opens its gate, and the signal that it was given. */
function gatedCreator() {
  const gate = new Gate<string>();
  const signals: AbortSignal[] = [];
  const creator = jest.fn(({ signal }: Pick<CreatorContext, 'signal'>) => {
    signals.push(signal);
    return gate.promise;
  });
  return { gate, signals, creator };
}

const reason = new Error('the user left');

describe.each(KINDS)('over $kind', (kind) => {
  test('44: at creatorTimeout the call is rejected, the signal aborted, the late result dropped', async () => {
    const { region } = setUp(kind);
    const { gate, signals, creator } = gatedCreator();
    const failure = await failureOf(region.getOrCreate('a', creator, { creatorTimeout: 30 }));
    expect(failure).toMatchObject({ code: 'ERR_STOCKPILE_CREATOR_TIMEOUT' });
    expect(signals[0]?.aborted).toBe(true);
    expect(signals[0]?.reason).toBe(failure);
    expect(await region.keyIsLocked('a')).toBe(false);
    gate.open('late');
    await settle();
    expect(await region.get('a')).toBe(NO_VALUE);
    expect(await region.getOrCreate('a', () => 'new', { creatorTimeout: 30 })).toBe('new');
    expect(region.stats().creationErrors).toBe(1);
  });

  test('44: at creatorTimeout a multi creator is ended in the same way', async () => {
    const { region } = setUp(kind, { creatorTimeout: 30 });
    const gate = new Gate<number[]>();
    const signals: AbortSignal[] = [];
    const call = region.getOrCreateMulti(['a', 'b'], (_keys, { signal }) => {
      signals.push(signal);
      return gate.promise;
    });
    expect(await failureOf(call)).toMatchObject({ code: 'ERR_STOCKPILE_CREATOR_TIMEOUT' });
    expect(signals[0]?.aborted).toBe(true);
    expect(await region.keyIsLocked('a')).toBe(false);
    gate.open([1, 2]);
    await settle();
    expect(await region.getMulti(['a', 'b'])).toEqual([NO_VALUE, NO_VALUE]);
  });

  test('44: a creator that ends before creatorTimeout is not disturbed', async () => {
    const { region } = setUp(kind, { creatorTimeout: 60_000 });
    const { gate, signals, creator } = gatedCreator();
    const call = region.getOrCreate('a', creator);
    gate.open('value');
    expect(await call).toBe('value');
    expect(signals[0]?.aborted).toBe(false);
  });

  test("44: a caller's signal ends only its own wait", async () => {
    const { region } = setUp(kind);
    const { gate, signals, creator } = gatedCreator();
    const leaving = new AbortController();
    const leaver = failureOf(region.getOrCreate('a', creator, { signal: leaving.signal }));
    const stayer = region.getOrCreate('a', creator);
    await settle();
    leaving.abort(reason);
    expect(await leaver).toBe(reason);
    expect(await isPending(stayer)).toBe(true);
    expect(signals[0]?.aborted).toBe(false);
    gate.open('value');
    expect(await stayer).toBe('value');
    expect(await region.get('a')).toBe('value');
    expect(creator).toHaveBeenCalledTimes(1);
  });

  test('44: the signal of the creator is aborted when the last caller leaves', async () => {
    const { region } = setUp(kind);
    const { signals, creator } = gatedCreator();
    const leaving = [new AbortController(), new AbortController()] as const;
    const calls = leaving.map(({ signal }) => failureOf(region.getOrCreate('a', creator, { signal })));
    await settle();
    leaving[0].abort(reason);
    expect(await calls[0]).toBe(reason);
    expect(signals[0]?.aborted).toBe(false);
    leaving[1].abort(reason);
    expect(await calls[1]).toBe(reason);
    expect(signals[0]?.aborted).toBe(true);
    expect(signals[0]?.reason).toBe(reason);
  });

  test('44: who comes when all have left gets a creation of its own, after the old one', async () => {
    const { region } = setUp(kind);
    const { gate, creator } = gatedCreator();
    const leaving = new AbortController();
    const left = failureOf(region.getOrCreate('a', creator, { signal: leaving.signal }));
    await settle();
    leaving.abort(reason);
    await left;
    const own = jest.fn(() => 'own');
    const next = region.getOrCreate('a', own);
    await settle();
    expect(own).not.toHaveBeenCalled();
    gate.fail(new Error('aborted'));
    expect(await next).toBe('own');
  });

  test('44: a signal that is aborted already starts no creator, but a hit is a hit', async () => {
    const { region } = setUp(kind);
    const creator = jest.fn(() => 'value');
    const signal = AbortSignal.abort(reason);
    expect(await failureOf(region.getOrCreate('a', creator, { signal }))).toBe(reason);
    expect(await failureOf(region.getOrCreateMulti(['a'], (keys) => keys.map(creator), { signal }))).toBe(reason);
    await settle();
    expect(creator).not.toHaveBeenCalled();
    expect(await region.keyIsLocked('a')).toBe(false);
    await region.set('a', 'set');
    expect(await region.getOrCreate('a', creator, { signal })).toBe('set');
  });

  test('44: the signal of refresh ends its wait', async () => {
    const { region } = setUp(kind);
    const { signals, creator } = gatedCreator();
    const leaving = new AbortController();
    const left = failureOf(region.refresh('a', creator, { signal: leaving.signal }));
    await settle();
    leaving.abort(reason);
    expect(await left).toBe(reason);
    expect(signals[0]?.aborted).toBe(true);
  });

  test('44: the signal of getOrCreateMulti ends its wait, and its creator where nobody has joined', async () => {
    const { region } = setUp(kind);
    const { gate, signals, creator } = gatedCreator();
    const leaving = new AbortController();
    const many = async (_: unknown, context: Pick<CreatorContext, 'signal'>): Promise<string[]> => [
      await creator(context),
    ];
    const left = failureOf(region.getOrCreateMulti(['a'], many, { signal: leaving.signal }));
    await settle();
    leaving.abort(reason);
    expect(await left).toBe(reason);
    expect(signals[0]?.aborted).toBe(true);
    gate.fail(reason);
    await settle();
    expect(await region.keyIsLocked('a')).toBe(false);
  });

  test('44: who has joined a key of getOrCreateMulti keeps its creator going; when it leaves too, the signal aborts', async () => {
    const { region } = setUp(kind);
    const { signals, creator } = gatedCreator();
    const leaving = [new AbortController(), new AbortController()] as const;
    const many = async (_: unknown, context: Pick<CreatorContext, 'signal'>): Promise<string[]> => [
      await creator(context),
      'b',
    ];
    const multi = failureOf(region.getOrCreateMulti(['a', 'b'], many, { signal: leaving[0].signal }));
    await settle();
    const single = failureOf(region.getOrCreate('a', () => 'unneeded', { signal: leaving[1].signal }));
    await settle();
    leaving[0].abort(reason);
    expect(await multi).toBe(reason);
    expect(signals[0]?.aborted).toBe(false);
    leaving[1].abort(reason);
    expect(await single).toBe(reason);
    expect(signals[0]?.aborted).toBe(true);
  });

  test('44: a multi creation does not end when a joined caller leaves and its own caller stays', async () => {
    const { region } = setUp(kind);
    const { gate, signals, creator } = gatedCreator();
    const many = async (_: unknown, context: Pick<CreatorContext, 'signal'>): Promise<string[]> => [
      await creator(context),
    ];
    const multi = region.getOrCreateMulti(['a'], many);
    await settle();
    const leaving = new AbortController();
    const single = failureOf(region.getOrCreate('a', () => 'unneeded', { signal: leaving.signal }));
    await settle();
    leaving.abort(reason);
    expect(await single).toBe(reason);
    expect(signals[0]?.aborted).toBe(false);
    const late = region.getOrCreate('a', () => 'unneeded');
    gate.open('value');
    expect(await multi).toEqual(['value']);
    expect(await late).toBe('value');
  });

  test('44: a signal that is none is refused', async () => {
    const { region } = setUp(kind);
    const signal = { aborted: false } as AbortSignal;
    expect(await failureOf(region.getOrCreate('a', () => 1, { signal }))).toMatchObject({
      code: 'ERR_STOCKPILE_VALIDATION',
    });
  });
});

test('44: who leaves while another process creates starts no creator of its own', async () => {
  const { a, b } = twoProcesses();
  const { gate, creator } = gatedCreator();
  const first = a.region.getOrCreate('a', creator);
  await settle();
  const unneeded = jest.fn(() => 'unneeded');
  const leaving = new AbortController();
  const second = failureOf(b.region.getOrCreate('a', unneeded, { signal: leaving.signal }));
  await settle();
  leaving.abort(reason);
  expect(await second).toBe(reason);
  await settle();
  gate.open('value');
  expect(await first).toBe('value');
  await settle();
  expect(unneeded).not.toHaveBeenCalled();
});

test('44: who leaves a multi call while another process creates starts no creator of its own', async () => {
  const { a, b } = twoProcesses();
  const { gate, creator } = gatedCreator();
  const first = a.region.getOrCreate('a', creator);
  await settle();
  const unneeded = jest.fn((keys: readonly string[]) => keys.map(() => 'unneeded'));
  const leaving = new AbortController();
  const second = failureOf(b.region.getOrCreateMulti(['a'], unneeded, { signal: leaving.signal }));
  await settle();
  leaving.abort(reason);
  expect(await second).toBe(reason);
  await settle();
  gate.open('value');
  expect(await first).toBe('value');
  await settle();
  expect(unneeded).not.toHaveBeenCalled();
});

test('43: a creator that schedules the next one does not keep alive what was known of those before', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const end = new Gate();
  const region = {};
  const known: WeakRef<readonly string[]>[] = [];
  const running = [asCreation(region, ['other'], () => end.promise)]; // while any creator runs, contexts are kept
  /** Each round is begun by what the creator of the round before has left behind. */
  const rounds = async (): Promise<void> => {
    const begun = new Gate();
    const round = (left: number): void => {
      const keys = [`round ${left}`];
      known.push(new WeakRef(keys));
      const next = (): unknown => (left === 1 ? begun.open() : round(left - 1));
      const creation = asCreation(region, keys, async () => {
        setImmediate(next);
        if (left === 1) await end.promise;
      });
      if (left === 1) running.push(creation);
    };
    round(10);
    await begun.promise;
  };
  await rounds();
  await settle();
  collect();
  // the last one runs, and the one before has begun it
  expect(known.slice(0, -2).filter((keys) => keys.deref() !== undefined)).toEqual([]);
  end.open();
  await Promise.all(running);
});
