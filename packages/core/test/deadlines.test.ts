/** Many waits, one timer: each ends at its own time. */

import { spawnSync } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Deadlines } from '@stockpile/core';
import { failureOf, Gate, isPending } from './helpers/time.js';

const late = (): Error => new Error('late');

describe('bound()', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] }));
  afterEach(() => void jest.useRealTimers());
  const after = (ms: number): number => performance.now() + ms;

  test('hands on what comes in time', async () => {
    const deadlines = new Deadlines();
    expect(await deadlines.bound(Promise.resolve(1), after(10), late)).toBe(1);
    expect(await failureOf(deadlines.bound(Promise.reject(new Error('own')), after(10), late))).toEqual(
      new Error('own'),
    );
  });

  test('ends each wait at its own time, also one that is shorter than those before it', async () => {
    const deadlines = new Deadlines();
    const waits = [100, 200, 50, Infinity].map((ms) => deadlines.bound(new Promise(() => {}), after(ms), late));
    for (const wait of waits) wait.catch(() => {});
    const pending = async (): Promise<boolean[]> => Promise.all(waits.map(isPending));
    jest.advanceTimersByTime(49);
    expect(await pending()).toEqual([true, true, true, true]);
    jest.advanceTimersByTime(2);
    expect(await pending()).toEqual([true, true, false, true]);
    jest.advanceTimersByTime(50);
    expect(await pending()).toEqual([false, true, false, true]);
    jest.advanceTimersByTime(10_000);
    expect(await pending()).toEqual([false, false, false, true]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('has one timer for all', async () => {
    const deadlines = new Deadlines();
    const gate = new Gate();
    const waits = Array.from({ length: 1000 }, () => deadlines.bound(gate.promise, after(100), late));
    expect(jest.getTimerCount()).toBe(1);
    gate.open();
    await Promise.all(waits);
  });

  test('waits for longer than a timer can', async () => {
    const month = 31 * 86_400_000;
    const wait = new Deadlines().bound(new Promise(() => {}), after(month), late);
    wait.catch(() => {});
    jest.advanceTimersByTime(month - 10);
    expect(await isPending(wait)).toBe(true);
    jest.advanceTimersByTime(20);
    expect(await failureOf(wait)).toEqual(late());
  });

  test('makes the error of a failure and of a late answer, once', async () => {
    const deadlines = new Deadlines();
    const typed = jest.fn((error: unknown) => new Error('typed', { cause: error }));
    const gate = new Gate();
    const wait = deadlines.bound(gate.promise, after(10), late, typed);
    const failed = deadlines.bound(Promise.reject(new Error('own')), after(10), late, typed);
    expect(await failureOf(failed)).toMatchObject({ message: 'typed', cause: new Error('own') });
    jest.advanceTimersByTime(11);
    expect(await failureOf(wait)).toMatchObject({ message: 'typed', cause: late() });
    gate.fail(new Error('after it'));
    expect(await isPending(gate.promise)).toBe(false);
    expect(typed).toHaveBeenCalledTimes(2);
  });
});

test('what arrived while the process was busy is in time, though the deadline has passed', async () => {
  const read = stat('.'); // answered by the event loop, as a socket is
  const wait = new Deadlines().bound(read, performance.now() + 20, late);
  for (const end = performance.now() + 60; performance.now() < end; );
  expect((await wait).isDirectory()).toBe(true);
});

test('a wait keeps the process alive, and nothing does after it', () => {
  const core = fileURLToPath(new URL('../dist/index.js', import.meta.url));
  const code = `
    import { Deadlines } from ${JSON.stringify(core)};
    const deadlines = new Deadlines();
    await deadlines.bound(Promise.resolve(), performance.now() + 60_000, () => new Error());
    await deadlines.bound(new Promise(() => {}), performance.now() + 50, () => new Error('late')).catch(console.log);
    await deadlines.bound(Promise.resolve(), performance.now() + 60_000, () => new Error());`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', code], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  expect({ status, late: stdout.includes('late') }).toEqual({ status: 0, late: true });
});
