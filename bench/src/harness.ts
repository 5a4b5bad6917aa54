/**
 * Times contenders against each other: all of them in every round, in alternating order, with the garbage collected
 * before each. What counts is the median of the ratios within a round: a slow second of the machine hits both sides.
 */

/** Makes `n` calls and answers with the number of wrong results, so that no call can be optimised away. */
export type Batch = (n: number) => number | Promise<number>;

export interface Contender {
  /** Unique in its group. */
  readonly name: string;
  /** Whose product it is: what must have passed the gate. None for code of the benchmark itself. */
  readonly subject?: string;
  readonly batch: Batch;
  /** Not timed; runs before each batch. */
  readonly before?: () => void | Promise<void>;
  /** Most calls in one batch; a side makes as many batches as it needs. Default: no limit. */
  readonly maxBatch?: number;
  /** Fewest calls in one batch, where they gain by being many: a side makes a multiple of them. Default: 1. */
  readonly minBatch?: number;
}

export interface Settings {
  readonly rounds: number;
  /** ms that one side of one round takes, about. */
  readonly sideMs: number;
  /** ms of warm-up for each contender. */
  readonly warmMs: number;
}

/** What the harness needs of the machine; tests hand in their own. */
export interface Machine {
  /** ms. */
  now(): number;
  collectGarbage(): void;
}

/** ns per call of each round, by contender. */
export type Rounds = Record<string, number[]>;

export interface Spread {
  readonly median: number;
  readonly p25: number;
  readonly p75: number;
}

/** Thrown where this machine lacks what a comparison needs: it gets no numbers, and the message says why. */
export class Skip extends Error {}

export const thisMachine: Machine = {
  now: () => performance.now(),
  collectGarbage() {
    if (globalThis.gc === undefined) throw new Error('run node with --expose-gc');
    globalThis.gc();
  },
};

/** @throws Error where a contender gave a wrong result. */
export async function measure(
  contenders: readonly Contender[],
  { rounds, sideMs, warmMs }: Settings,
  machine: Machine = thisMachine,
): Promise<Rounds> {
  const calls = new Map<Contender, number>();
  for (const contender of contenders) calls.set(contender, await warmUp(contender, warmMs, sideMs, machine));
  const result: Rounds = Object.fromEntries(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const contender of order) {
      const n = calls.get(contender) ?? 1;
      machine.collectGarbage();
      result[contender.name]?.push(((await timed(contender, n, machine)) / n) * 1e6);
    }
  }
  return result;
}

/** Runs for `warmMs`, and answers with the number of calls that take `sideMs`. */
async function warmUp(contender: Contender, warmMs: number, sideMs: number, machine: Machine): Promise<number> {
  const { minBatch = 1 } = contender;
  let n = minBatch;
  let msPerCall = Infinity;
  for (let spent = 0; ; ) {
    const ms = await timed(contender, n, machine);
    // a machine that stands still for a moment is neither warm-up nor what a call takes
    spent += Math.min(ms, warmMs / 4);
    msPerCall = Math.min(msPerCall, ms / n);
    if (spent >= warmMs) return minBatch * Math.max(1, Math.round(sideMs / msPerCall / minBatch));
    if (ms < warmMs / 8) n *= 2;
  }
}

/** ms of `n` calls. */
async function timed(
  { name, batch, before, maxBatch = Infinity }: Contender,
  n: number,
  machine: Machine,
): Promise<number> {
  let ms = 0;
  let wrong = 0;
  for (let left = n; left > 0; left -= maxBatch) {
    await before?.();
    const start = machine.now();
    const answer = batch(Math.min(left, maxBatch));
    wrong += typeof answer === 'number' ? answer : await answer;
    ms += machine.now() - start;
  }
  if (wrong !== 0) throw new Error(`${name}: ${wrong} of ${n} results were wrong`);
  return ms;
}

/** The middle and the quartiles of a contender's ns, or of its ratios. */
export function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), p25: quantile(values, 0.25), p75: quantile(values, 0.75) };
}

/** Round by round: `numerator / denominator`. */
export function ratios(numerator: readonly number[], denominator: readonly number[]): number[] {
  return numerator.map((ns, round) => ns / (denominator[round] ?? Number.NaN));
}

/** `q` from 0 to 1, interpolated. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}
