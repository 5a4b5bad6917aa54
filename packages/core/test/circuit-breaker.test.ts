/** A dead server costs nobody a wait, and is used again soon after it is back. */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { CircuitBreaker, type ServerMessage } from '@stockpile/core';
import { failureOf } from './helpers/time.js';

const refused = new Error('connect ECONNREFUSED');

function setUp(timeout = 2000): { breaker: CircuitBreaker; probe: jest.Mock<() => Promise<unknown>> } {
  const probe = jest.fn<() => Promise<unknown>>();
  return { breaker: new CircuitBreaker({ backend: 'b', server: 'here:1', timeout, probe }), probe };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

describe('a server that is up', () => {
  test('lets every call through, without a promise', () => {
    const { breaker } = setUp();
    expect(breaker.admit()).toBeUndefined();
    expect(breaker.state).toEqual({ server: 'here:1', state: 'up', since: Date.now() });
  });

  test('stays up after a call without an answer if another was answered meanwhile', () => {
    const { breaker } = setUp();
    const since = performance.now();
    jest.advanceTimersByTime(10);
    breaker.succeeded();
    breaker.failed(refused, since);
    expect(breaker.admit()).toBeUndefined();
  });

  test('goes down by a call without an answer, and by a connection that was not to be had', () => {
    const [silent, unreachable] = [setUp().breaker, setUp().breaker];
    silent.succeeded();
    jest.advanceTimersByTime(10);
    silent.failed(refused, performance.now());
    unreachable.succeeded();
    unreachable.failed(refused);
    for (const breaker of [silent, unreachable]) {
      expect(breaker.state).toEqual({ server: 'here:1', state: 'down', since: Date.now(), error: refused });
      expect(() => breaker.admit()).toThrow(
        expect.objectContaining({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', cause: refused }),
      );
    }
  });
});

describe('a server that is down', () => {
  test('is probed by one caller after 100 ms at the latest; the others fail at once', async () => {
    const { breaker, probe } = setUp();
    breaker.failed(refused);
    jest.advanceTimersByTime(74);
    expect(() => breaker.admit()).toThrow('here:1 is down: connect ECONNREFUSED');
    jest.advanceTimersByTime(26);
    let alive: (sign: unknown) => void = () => {};
    probe.mockReturnValueOnce(new Promise((resolve) => (alive = resolve)));
    const admitted = breaker.admit();
    expect(breaker.state.state).toBe('probing');
    expect(() => breaker.admit()).toThrow('here:1 is down');
    alive('pong');
    await expect(admitted).resolves.toBeUndefined();
    expect(probe).toHaveBeenCalledTimes(1);
    expect(breaker.admit()).toBeUndefined();
  });

  test('is probed ever more rarely, but every second', async () => {
    const { breaker, probe } = setUp();
    probe.mockImplementation(() => Promise.reject(refused));
    breaker.failed(refused);
    const probes: number[] = [];
    const start = performance.now();
    for (let ms = 0; ms < 10_000; ms++) {
      try {
        await breaker.admit();
      } catch {}
      if (probe.mock.calls.length > probes.length) probes.push(performance.now() - start);
      jest.advanceTimersByTime(1);
    }
    const pauses = probes.map((at, i) => at - (probes[i - 1] ?? 0));
    for (const [i, pause] of pauses.entries()) {
      const longest = Math.min(100 * 2 ** i, 800);
      expect(pause).toBeGreaterThanOrEqual(longest * 0.75 - 1);
      expect(pause).toBeLessThanOrEqual(longest + 2);
    }
    expect(probes.length).toBeGreaterThanOrEqual(13);
  });

  test.each([
    [2000, 1000],
    [300, 300],
  ])('with a timeout of %d ms a probe takes at most %d ms', async (timeout, bound) => {
    const { breaker, probe } = setUp(timeout);
    probe.mockReturnValueOnce(new Promise(() => {}));
    breaker.failed(refused);
    jest.advanceTimersByTime(100);
    const failure = failureOf(breaker.admit() as Promise<void>);
    jest.advanceTimersByTime(bound - 1);
    expect(breaker.state.state).toBe('probing');
    jest.advanceTimersByTime(1);
    expect(await failure).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
    expect(breaker.state.error?.message).toBe(`no sign of life within ${bound} ms`);
  });

  test('is up again by a late answer, also while a probe runs that fails', async () => {
    const { breaker, probe } = setUp();
    breaker.failed(refused);
    breaker.succeeded();
    expect(breaker.admit()).toBeUndefined();
    breaker.failed(refused);
    jest.advanceTimersByTime(100);
    probe.mockReturnValueOnce(new Promise(() => {}));
    const admitted = breaker.admit();
    breaker.succeeded();
    jest.advanceTimersByTime(1000);
    await admitted;
    expect(breaker.state.state).toBe('up');
  });

  test('keeps the time since when it is down, and tells the latest reason', async () => {
    const { breaker, probe } = setUp();
    breaker.failed(refused);
    const since = Date.now();
    jest.advanceTimersByTime(100);
    probe.mockImplementationOnce(() => {
      throw new Error('thrown at once');
    });
    await failureOf(breaker.admit() as Promise<void>);
    expect(breaker.state).toMatchObject({ state: 'down', since, error: { message: 'thrown at once' } });
  });

  test('is told of on the channel, as is its return', () => {
    const heard: unknown[] = [];
    const listener = (message: unknown): void => void heard.push((message as ServerMessage).state);
    subscribe('stockpile:server', listener);
    const { breaker } = setUp();
    breaker.failed(refused);
    breaker.failed(refused);
    breaker.succeeded();
    breaker.succeeded();
    unsubscribe('stockpile:server', listener);
    expect(heard).toEqual(['down', 'up']);
  });
});
