import { expect, test } from '@jest/globals';
import { type Contender, type Machine, measure, quantile, ratios, spread } from '../src/harness.js';

/** A machine whose clock moves only as contenders say. */
class FakeMachine implements Machine {
  time = 0;
  readonly log: string[] = [];

  now(): number {
    return this.time;
  }

  collectGarbage(): void {
    this.log.push('gc');
  }

  /** Costs `ns[round]` per call; calls before the first round, in the warm-up, cost the first. */
  contender(name: string, ns: readonly number[], more: Partial<Contender> = {}): Contender {
    return {
      name,
      batch: (n) => {
        const round = this.log.filter((entry) => entry === `${name} begins`).length - 1;
        this.time += (n * (ns[Math.max(round, 0)] ?? 0)) / 1e6;
        return 0;
      },
      ...more,
    };
  }
}

const settings = { rounds: 3, sideMs: 10, warmMs: 1 };

/** Puts a line into the log where a side begins, told from the warm-up by the gc before it. */
function logged(machine: FakeMachine, contender: Contender): Contender {
  const { batch } = contender;
  return {
    ...contender,
    batch: (n) => {
      if (machine.log.at(-1) === 'gc') machine.log.push(`${contender.name} begins`);
      return batch(n);
    },
  };
}

test('measures ns per call of every round', async () => {
  const machine = new FakeMachine();
  const slow = logged(machine, machine.contender('slow', [300, 900, 200]));
  const fast = logged(machine, machine.contender('fast', [100, 300, 100]));
  const rounds = await measure([slow, fast], settings, machine);
  expect(rounds.slow?.map(Math.round)).toEqual([300, 900, 200]);
  expect(rounds.fast?.map(Math.round)).toEqual([100, 300, 100]);
});

test('all contenders run in each round, in alternating order, each after a collection', async () => {
  const machine = new FakeMachine();
  const contenders = ['a', 'b', 'c'].map((name) => logged(machine, machine.contender(name, [100, 100, 100])));
  await measure(contenders, settings, machine);
  const order = machine.log.filter((entry) => entry !== 'gc').map((entry) => entry[0]);
  expect(order.join('')).toBe('abccbaabc');
  expect(machine.log.filter((entry) => entry === 'gc')).toHaveLength(9);
});

test('a side takes about as long as it should', async () => {
  const machine = new FakeMachine();
  const calls: number[] = [];
  const contender = machine.contender('a', [1000]);
  const counting = logged(machine, {
    ...contender,
    batch: (n) => {
      calls.push(n);
      return contender.batch(n);
    },
  });
  await measure([counting], { rounds: 1, sideMs: 10, warmMs: 1 }, machine);
  expect(calls.at(-1)).toBe(10_000);
});

test('a machine that stands still during the warm-up does not make the sides short', async () => {
  const machine = new FakeMachine();
  const calls: number[] = [];
  const stalling: Contender = {
    name: 'a',
    batch: (n) => {
      machine.time += calls.length === 3 ? 50 : n / 1000; // 1 µs per call, but for one batch
      return calls.push(n) * 0;
    },
  };
  await measure([stalling], { rounds: 1, sideMs: 10, warmMs: 8 }, machine);
  expect(calls.at(-1)).toBe(10_000);
});

test('batches are no longer than allowed, and what precedes them is not timed', async () => {
  const machine = new FakeMachine();
  const calls: number[] = [];
  const contender = machine.contender('a', [1000]);
  const rounds = await measure(
    [
      {
        ...contender,
        maxBatch: 400,
        before: () => {
          machine.time += 1_000_000;
        },
        batch: (n) => {
          calls.push(n);
          return contender.batch(n);
        },
      },
    ],
    { rounds: 1, sideMs: 1, warmMs: 1 },
    machine,
  );
  expect(calls.slice(-3)).toEqual([400, 400, 200]);
  expect(Math.round(rounds.a?.[0] ?? 0)).toBe(1000);
});

test('calls that gain by being many are never few', async () => {
  const machine = new FakeMachine();
  const calls: number[] = [];
  const contender = machine.contender('a', [1000]);
  const counting = {
    ...contender,
    minBatch: 400,
    maxBatch: 400,
    batch: (n: number) => calls.push(n) && contender.batch(n),
  };
  await measure([counting], { rounds: 2, sideMs: 1, warmMs: 1 }, machine);
  expect(new Set(calls)).toEqual(new Set([400]));
});

test('a wrong result ends the run', async () => {
  const machine = new FakeMachine();
  const wrong = { ...machine.contender('a', [100]), batch: () => 2 };
  await expect(measure([wrong], settings, machine)).rejects.toThrow('a: 2 of 1 results were wrong');
});

test('the ratio is the median of the rounds, not the ratio of the medians', () => {
  // 400 / 200 would be 2
  expect(ratios([300, 400, 1000], [100, 200, 250])).toEqual([3, 2, 4]);
  expect(spread(ratios([300, 400, 1000], [100, 200, 250])).median).toBe(3);
});

test('quantiles are interpolated', () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([4, 1, 3, 2], 0)).toBe(1);
  expect(quantile([4, 1, 3, 2], 1)).toBe(4);
  expect(spread([1, 2, 3, 4, 5])).toEqual({ median: 3, p25: 2, p75: 4 });
});
