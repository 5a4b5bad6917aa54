/** A process that works on a segment in all ways, to be killed at any moment; and, as `survivor`, one that measures. */

import { openSync, readSync, writeSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { Segment, type ShmArguments } from '@stockpile/backend-shm';
import { createRegion, NO_VALUE } from '@stockpile/core';
import { checkedValue, isIntact } from './checked-value.js';
import { serve, tell } from './serve.js';

export interface KillTask {
  readonly args: ShmArguments;
  /** Where who creates what, and what was acknowledged, is written down; other processes append to it too. */
  readonly creations: string;
  readonly acknowledged: string;
  readonly increments: string;
  readonly survivor: boolean;
}

/** How long operations of the survivor took; all in ms. */
export interface Durations {
  operations: number;
  longest: number;
  /** Operations of more than 30 ms. */
  stalls: number;
  /** The longest for which one has slept, and not run or waited for a cpu. */
  longestSleep: number;
  /** Those that have slept for more than 30 ms. */
  sleeps: string[];
}

const { args, creations, acknowledged, increments, survivor } = JSON.parse(process.argv[2] as string) as KillTask;
const HANG_MS = 10_000;
const KEYS = 200;
const STALL_MS = 30;
const LARGE_BYTES = 400_000;

const strict = createRegion({ name: 'strict' }).configure('shm', {
  expirationTime: 15,
  grace: 2000,
  failOpen: false, // a creator beside the lock would look like a second one
  arguments: { ...args, nearCache: true },
});
const mixed = createRegion({ name: 'mixed' }).configure('shm', {
  expirationTime: '10m',
  arguments: { ...args, nearCache: true },
});
const sums = Segment.open({ name: `${args.segment}-sums`, size: '4M', dir: args.dir, whenFull: 'throw' });
const creationsFile = openSync(creations, 'a');
const acknowledgedFile = openSync(acknowledged, 'a');
const incrementsFile = openSync(increments, 'a');
const engine = Segment.open({ name: args.segment, dir: args.dir });
const schedstat = openSync('/proc/self/schedstat', 'r');
const own = new Map<string, number>();
const grown = new Map<string, number>();
const text = Buffer.alloc(100);

let running = true;
let [operations, busy, events, turn] = [0, 0, 0, 0];
let durations = noDurations();

function noDurations(): Durations {
  return { operations: 0, longest: 0, stalls: 0, longestSleep: 0, sleeps: [] };
}

function problem(what: string): void {
  tell('problem', { text: `process ${process.pid}: ${what}` });
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

/** ms for which the main thread has had a cpu, and for which it was ready to run and had none. */
function cpuTimes(): readonly [ran: number, waited: number] {
  const length = readSync(schedstat, text, 0, text.length, 0);
  const [ran, waited] = text.toString('latin1', 0, length).split(' ');
  return [Number(ran) / 1e6, Number(waited) / 1e6];
}

/** A part of the segment whose holder waits for a cpu may be BUSY: then nothing was done. */
function attempt<T>(what: string, work: () => T): T | undefined {
  operations++;
  const before = survivor ? cpuTimes() : undefined;
  const began = performance.now();
  try {
    return work();
  } catch (error) {
    if (!isBusy(error)) problem(`an operation failed: ${String(error)}`);
    return undefined;
  } finally {
    if (before !== undefined) note(what, performance.now() - began, before);
  }
}

/** What remains of its time without a cpu's work and without waiting for one, it has slept, for another process or thread. */
function note(what: string, ms: number, [ranBefore, waitedBefore]: readonly [number, number]): void {
  const [ran, waited] = ms > 1 ? cpuTimes() : [ranBefore, waitedBefore];
  const slept = ms > 1 ? Math.max(0, ms - (ran - ranBefore) - (waited - waitedBefore)) : ms;
  durations.operations++;
  durations.longest = Math.max(durations.longest, ms);
  durations.longestSleep = Math.max(durations.longestSleep, slept);
  if (ms <= STALL_MS) return;
  durations.stalls++;
  if (slept <= STALL_MS) return;
  durations.sleeps.push(`${what}: ${ms.toFixed(0)} ms, of which it ran ${(ran - ranBefore).toFixed(0)} ms`);
}

function isBusy(error: unknown): boolean {
  const { code, cause } = error as { code?: string; cause?: { code?: string } };
  const found = [code, cause?.code].includes('ERR_STOCKPILE_SHM_BUSY');
  if (found) busy++;
  return found;
}

function readMixed(): void {
  const key = `k${random(KEYS)}`;
  const value = attempt('get', () => mixed.sync.get(key));
  if (value !== undefined && value !== NO_VALUE && !isIntact(value, key))
    problem(`damaged ${key}: ${JSON.stringify(value).slice(0, 200)}`);
}

function writeMixed(): void {
  const key = `k${random(KEYS)}`;
  const bytes = random(10) === 0 ? random(30_000) : random(600);
  attempt('set', () =>
    mixed.sync.set(key, checkedValue(key, operations, bytes), random(3) === 0 ? { tags: ['t'] } : {}),
  );
}

/** So large that a kill often hits its writer within a lock: all bytes alike, and the number of the key in front. */
function largeValues(): void {
  const n = random(4);
  const key = `large${n}`;
  if (random(3) > 0) {
    const bytes = Buffer.alloc(LARGE_BYTES - random(1000), random(256));
    bytes[0] = n;
    attempt('large set', () => engine.set(key, bytes));
    return;
  }
  const seen = attempt('large get', () => engine.get(key));
  if (seen === undefined) return;
  const whole =
    seen instanceof Buffer && seen[0] === n && seen.subarray(1).equals(Buffer.alloc(seen.length - 1, seen[1]));
  if (!whole) problem(`damaged ${key}`);
}

/** Keys that only this process writes: what it reads is its last write, or nothing. */
function ownKey(): void {
  const key = `own-${process.pid}-${random(5)}`;
  if (random(2) === 0) {
    const n = operations;
    const done = attempt('own set', () => {
      mixed.sync.set(key, checkedValue(key, n, 50));
      return true;
    });
    if (done === true) own.set(key, n);
    else own.delete(key);
    return;
  }
  const value = attempt('get', () => mixed.sync.get(key));
  const last = own.get(key);
  if (last === undefined || value === undefined || value === NO_VALUE) return;
  if (!isIntact(value, key)) problem(`damaged ${key}`);
  else if (value.n !== last) problem(`${key} is ${value.n}, and ${last} was written last`);
}

/** In a segment that evicts nothing: what was acknowledged is never lost, nor counted twice. */
function exactSums(): void {
  if (attempt('sums increment', () => sums.increment('sum')) !== undefined) writeSync(incrementsFile, 'x');
  const key = `u${random(5000)}`;
  if (attempt('sums add', () => sums.set(key, key, { when: 'absent' })) === true)
    writeSync(acknowledgedFile, `${key}\n`);
}

function readGrowing(): void {
  const key = `grows-lock${random(4)}`;
  const value = attempt('get', () => mixed.sync.get(key));
  if (value === undefined || value === NO_VALUE) return;
  const last = grown.get(key) ?? 0;
  if (!isIntact(value, key)) problem(`damaged ${key}`);
  else if (value.n < last) problem(`${key} is ${value.n} after ${last}`);
  else grown.set(key, value.n);
}

/** Between lock and unlock nobody else is in there. */
function criticalSection(): void {
  const name = `lock${random(4)}`;
  const fence = attempt('lock', () => sums.lock(name));
  if (fence === undefined) return;
  const before = Number(attempt('sums get', () => sums.get(`${name}-fence`)) ?? 0);
  if (before >= fence) problem(`${name}: fence ${fence} after ${before}`);
  const wrote = attempt('sums set', () => sums.set(`${name}-fence`, fence));
  for (let i = 0; i < 3; i++) {
    const seen = attempt('sums get', () => sums.get(`${name}-fence`));
    if (wrote === true && seen !== undefined && seen !== fence)
      problem(`${name}: two holders, ${fence} and ${String(seen)}`);
  }
  // only holders write it, so that it only grows: also as it is read from near
  attempt('set', () => mixed.sync.set(`grows-${name}`, checkedValue(`grows-${name}`, fence, 50)));
  if (attempt('unlock', () => sums.unlock(name, fence)) === false) problem(`${name}: lost while it was held`);
}

function work(): void {
  for (let i = 0; i < 30; i++) {
    const kind = random(1000);
    if (kind < 400) readMixed();
    else if (kind < 450) readGrowing();
    else if (kind < 650) writeMixed();
    else if (kind < 700) attempt('delete', () => mixed.sync.delete(`k${random(KEYS)}`));
    else if (kind < 703) attempt('invalidate', () => mixed.sync.invalidate({ tags: ['t'] }));
    else if (kind < 704) attempt('invalidate', () => mixed.sync.invalidate({ hard: false }));
    else if (kind < 760) attempt('increment', () => mixed.sync.increment(`n${random(5)}`));
    else if (kind < 840) largeValues();
    else if (kind < 890) ownKey();
    else if (kind < 940) exactSums();
    else criticalSection();
  }
  if (++turn % 20 === 0) tell('beat', { operations, busy, events });
  if (running) setImmediate(work);
}

async function inTime<T>(what: string, outcome: Promise<T>): Promise<T | undefined> {
  const timer = setTimeout(() => problem(`${what} takes more than ${HANG_MS} ms`), HANG_MS);
  try {
    return await outcome;
  } catch (error) {
    if (!isBusy(error)) problem(`${what}: ${String(error)}`);
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

/** One creator at a time for each key, in all processes: who begins and who is done is written down. */
async function creationsOf(options: { stale: 'serve' | 'wait' }): Promise<void> {
  while (running) {
    const key = `c${random(5)}`;
    const creator = async (): Promise<unknown> => {
      writeSync(creationsFile, `b ${key} ${process.pid} ${process.hrtime.bigint()}\n`);
      if (random(2) === 0) await after(random(4));
      writeSync(creationsFile, `e ${key} ${process.pid}\n`);
      return checkedValue(key, operations, random(500));
    };
    const value = await inTime(`getOrCreate(${key})`, strict.getOrCreate(key, creator, options));
    if (value !== undefined && !isIntact(value, key)) problem(`damaged ${key}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Keys that others delete and invalidate meanwhile. */
async function mixedCreations(): Promise<void> {
  while (running) {
    const key = `k${random(KEYS)}`;
    const value = await inTime(
      `getOrCreate(${key})`,
      mixed.getOrCreate(key, () => checkedValue(key, operations, random(2000))),
    );
    if (value !== undefined && !isIntact(value, key)) problem(`damaged ${key}`);
    await after(random(3));
  }
}

mixed.subscribe(null, ({ type, key }) => {
  events++;
  if (type === 'set' && !/^(k|n|own-|grows-lock)[\d-]+$/.test(key ?? '')) problem(`event of ${String(key)}`);
});

serve({
  durations() {
    const measured = durations;
    durations = noDurations();
    return measured;
  },
  async stop() {
    running = false;
    await Promise.all(lanes);
    return { operations, busy, events };
  },
});
work();
const lanes = [creationsOf({ stale: 'serve' }), creationsOf({ stale: 'wait' }), mixedCreations()];
