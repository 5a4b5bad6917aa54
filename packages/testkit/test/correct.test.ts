/** The suite is green on backends that are correct, whatever they are able to do. */

import { describe, expect, test } from '@jest/globals';
import {
  type Awaitable,
  CacheBackend,
  type CachedValue,
  type Capability,
  NO_VALUE,
  type NoValue,
} from '@stockpile/core';
import type { DescribeBackendOptions } from '../src/index.js';
import { collect } from './collect.js';
import { SmallValues } from './small-backend.js';
import { bytes, values } from './specs.js';

/** The least that a driver must do, with promises. */
class Least extends CacheBackend {
  readonly name = 'least';
  readonly capabilities: ReadonlySet<Capability> = new Set();
  readonly #entries = new Map<string, CachedValue>();

  override async get(key: string): Promise<CachedValue | NoValue> {
    return this.#entries.get(key) ?? NO_VALUE;
  }

  override async set(key: string, item: CachedValue): Promise<boolean> {
    this.#entries.set(key, item);
    return true;
  }

  override async delete(key: string): Promise<boolean> {
    return this.#entries.delete(key);
  }
}

const least: Omit<DescribeBackendOptions, 'runner'> = {
  name: 'least',
  create: (): Awaitable<CacheBackend> => new Least(),
  stores: 'values',
  capabilities: [],
  clock: 'injected',
};

describe('describeBackend on a correct backend', () => {
  for (const [what, options] of Object.entries({
    'of values': values(),
    'of bytes': bytes(),
    'that can do little': least,
  })) {
    test(`is green: one ${what}`, async () => {
      const { red } = await collect(options);
      expect([...red]).toEqual([]);
    });
  }

  test('is green by the system clock', async () => {
    const { red } = await collect({ ...values(), clock: 'system' }, ['expiry']);
    expect([...red]).toEqual([]);
  }, 30_000);

  test('is green where ttls are rounded up to seconds', async () => {
    class InSeconds extends SmallValues {
      override store(key: string, item: CachedValue, deadline: number): true {
        return super.store(key, item, Math.ceil(deadline / 1000) * 1000);
      }
    }
    const { red } = await collect({ ...values(InSeconds), ttlGranularity: 1000 });
    expect([...red]).toEqual([]);
  });

  test('lists groups that do not apply as skipped, and tests that their methods refuse', async () => {
    const { skipped, titles } = await collect(least, ['capabilities', 'expiry', 'counters', 'events']);
    expect(skipped).toEqual([
      "expiry: all of expiry (skipped: 'ttl' is not declared)",
      "counters: all of counters (skipped: 'counters' is not declared)",
      "events: all of events (skipped: 'events' is not declared)",
    ]);
    expect(titles).toContain("capabilities: increment() without 'counters' throws CapabilityError");
  });

  test('has each title once, beginning with a method', async () => {
    for (const options of [values(), bytes(), least]) {
      const { titles } = await collect(options);
      expect(new Set(titles).size).toBe(titles.length);
      for (const title of titles) expect(title).toMatch(/^[\w ]+: (\w+\(.*\)|sync of|capabilities|fence:|skip:)/);
    }
  });

  test('leaves a deviation out, with its reason', async () => {
    const title = 'get() can be repeated';
    const { titles, skipped, red } = await collect({ ...values(), skip: { [title]: 'it cannot' } }, [
      'basics',
      'deviations',
    ]);
    expect(titles).not.toContain(`basics: ${title}`);
    expect(skipped).toEqual([`basics: ${title} (skipped: it cannot)`]);
    expect([...red]).toEqual([]);
  });

  test('refuses a deviation that names no test', async () => {
    const { red } = await collect({ ...values(), skip: { 'get() flies': 'a typo' } }, ['deviations']);
    expect([...red.keys()]).toEqual(['deviations: skip: every title is one of a test']);
  });
});
