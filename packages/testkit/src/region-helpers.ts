/** What the tests of regions need. */

import { type CacheBackend, ProxyBackend } from '@stockpile/core';

/** The next in turn. */
export function pick<T>(from: readonly T[], i: number): T {
  return from[i % from.length] as T;
}

/** Lets others run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Collected, since they come in no promised order. */
export async function sorted(keys: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const key of keys) all.push(key);
  return all.sort();
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A proxy that notes what is sent to the driver. */
export function recording(sent: string[]): ProxyBackend {
  const methods = ['get', 'set', 'getMulti', 'setMulti', 'increment', 'compareAndSet', 'keys', 'clear', 'subscribe'];
  const proxy = new ProxyBackend();
  for (const method of methods as (keyof CacheBackend)[]) {
    const original = (proxy[method] as (...args: unknown[]) => unknown).bind(proxy);
    const noting = (...args: unknown[]): unknown => {
      sent.push(method);
      return original(...args);
    };
    Object.defineProperty(proxy, method, { value: noting });
  }
  return proxy;
}
