/** 59: invalidation that the driver keeps for all users of its storage. */

import { describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  type Clock,
  type ConfigureOptions,
  createRegion,
  NO_VALUE,
  ProxyBackend,
  type Region,
  type RegionInvalidator,
  registerBackend,
  sharedInvalidator,
  type Verdict,
} from '@stockpile/core';
import { regionOn } from './helpers/setups.js';
import { Gate, settle, TestClock } from './helpers/time.js';

/** What a storage knows of invalidations, by prefix: of the whole region only. */
class Times {
  readonly byPrefix: Map<string, { hard: number; soft: number }> = new Map();
  /** What became of the invalidators, in order. */
  readonly log: string[] = [];

  make(prefix: string): RegionInvalidator {
    const { byPrefix, log } = this;
    const times = byPrefix.get(prefix) ?? { hard: -Infinity, soft: -Infinity };
    byPrefix.set(prefix, times);
    return {
      invalidate({ hard, at }) {
        times[hard ? 'hard' : 'soft'] = Math.max(at, times.hard + 1, times.soft + 1);
      },
      check: ({ createdAt }) => (createdAt <= times.hard ? 'hard' : createdAt <= times.soft ? 'soft' : 'valid'),
      get latest() {
        return Math.max(times.hard, times.soft);
      },
      attach: () => void log.push(`attach ${prefix}`),
      detach: () => void log.push(`detach ${prefix}`),
    };
  }
}

class ValuesDriver extends MemoryBackend {
  readonly times: Times = new Times();
  override createInvalidator(prefix: string): RegionInvalidator {
    return this.times.make(prefix);
  }
}

class BytesDriver extends MemoryPickleBackend {
  readonly times: Times = new Times();
  override createInvalidator(prefix: string): RegionInvalidator {
    return this.times.make(prefix);
  }
}

const DRIVERS = {
  'of values': (clock: Clock) => new ValuesDriver({ clock }),
  'of bytes': (clock: Clock) => new BytesDriver({ clock }),
};
const CASES = Object.entries(DRIVERS).flatMap(([kind, make]) =>
  [[], [ProxyBackend]].map((wrap) => ({ title: `${kind}${wrap.length ? ', under a proxy' : ''}`, make, wrap })),
);

describe.each(CASES)('a driver $title', ({ make, wrap }) => {
  function setUp() {
    const clock = new TestClock();
    const driver = make(clock);
    const open = (options: ConfigureOptions = {}) => regionOn(driver, clock, { wrap, ...options });
    return { clock, driver, open, a: open(), b: open() };
  }

  /** Both ways to read, both of which must agree. */
  async function read(region: Region<unknown>, key = 'a'): Promise<unknown> {
    const found = await region.get(key);
    expect(await region.getMulti([key])).toEqual([found]);
    expect(region.sync.get(key)).toBe(found);
    return found;
  }

  test('59: two regions see an invalidation by either, at once', async () => {
    const { clock, a, b } = setUp();
    for (const [one, other] of [
      [a, b],
      [b, a],
    ] as const) {
      await one.set('a', 'old');
      expect([await read(a), await read(b)]).toEqual(['old', 'old']);
      await other.invalidate();
      expect([await read(a), await read(b)]).toEqual([NO_VALUE, NO_VALUE]);
      expect(await one.getOrCreate('a', () => 'new')).toBe('new');
      expect([await read(a), await read(b)]).toEqual(['new', 'new']);
      clock.advance(1);
      await one.invalidate({ hard: false });
      for (const region of [a, b]) expect(await region.getEntry('a')).toMatchObject({ value: 'new', stale: true });
    }
  });

  test('59: within one millisecond too, again and again', async () => {
    const { a, b } = setUp();
    for (let i = 0; i < 5; i++) {
      const [writer, reader] = i % 2 ? [a, b] : [b, a];
      await writer.set('a', i);
      expect([await read(a), await read(b)]).toEqual([i, i]);
      await reader.invalidate();
      expect([await read(a), await read(b)]).toEqual([NO_VALUE, NO_VALUE]);
    }
  });

  test('59: a region that is made later knows of it; one of another name is not concerned', async () => {
    const { clock, driver, a, open } = setUp();
    const other = createRegion({ name: 'other', clock }).configure(driver, { wrap });
    for (const region of [a, other]) await region.set('a', 'old');
    await a.invalidate();
    expect(await read(open())).toBe(NO_VALUE);
    expect(await read(other)).toBe('old');
    expect([...driver.times.byPrefix.keys()]).toEqual(['r:', 'other:']);
  });

  test('59: what another region invalidates while a creator runs is not stored', async () => {
    const { a, b } = setUp();
    const gate = new Gate<string>();
    const call = a.getOrCreate('a', () => gate.promise);
    await settle();
    await b.invalidate();
    gate.open('old');
    expect(await call).toBe('old');
    expect(await a.get('a', { ignoreExpiration: true })).toBe(NO_VALUE);
    expect(a.stats().superseded).toBe(1);
    const overtaken = (): string => {
      b.sync.invalidate();
      return 'old';
    };
    expect(a.sync.getOrCreate('k', overtaken)).toBe('old');
    expect(await read(b, 'k')).toBe(NO_VALUE);
    expect(a.sync.getOrCreate('k', () => 'new')).toBe('new');
    expect(await read(b, 'k')).toBe('new');
  });

  test('59: a regionInvalidator of the user comes first, also over replaceExistingBackend', async () => {
    const { clock, driver, b } = setUp();
    driver.times.log.length = 0;
    let verdict: Verdict = 'valid';
    const rule: RegionInvalidator = { invalidate() {}, check: () => verdict };
    const region = regionOn(new MemoryBackend({ clock }), clock, { regionInvalidator: rule });
    region.configure(driver, { wrap, replaceExistingBackend: true });
    await region.set('a', 1);
    await b.invalidate();
    expect(await read(region)).toBe(1);
    verdict = 'hard';
    expect(await read(region)).toBe(NO_VALUE);
    expect(driver.times.log).toEqual([]);
  });

  test('59: replaceExistingBackend lets the one of the old driver go, and takes that of the new', async () => {
    const { clock, driver, a, b } = setUp();
    const { log } = driver.times;
    const second = make(clock);
    log.length = 0;
    await a.invalidate();
    a.configure(second, { wrap, replaceExistingBackend: true });
    expect([log.splice(0), second.times.log.splice(0)]).toEqual([['detach r:'], ['attach r:']]);
    await a.set('a', 'on the second');
    clock.advance(10);
    await b.invalidate(); // of the first
    expect(await read(a)).toBe('on the second');
    await a.invalidate();
    expect(await read(a)).toBe(NO_VALUE);
    expect(await read(b)).toBe(NO_VALUE);
    await b.set('a', 'on the first');
    clock.advance(10);
    await a.invalidate();
    expect(await read(b)).toBe('on the first');

    a.configure(new MemoryBackend({ clock }), { replaceExistingBackend: true });
    expect([log.splice(0), second.times.log.splice(0)]).toEqual([[], ['detach r:']]);
    await a.set('a', 'in memory');
    clock.advance(10);
    await regionOn(second, clock, {}).invalidate();
    expect(await read(a)).toBe('in memory'); // its own times again
    await a.invalidate();
    expect(await read(a)).toBe(NO_VALUE);
  });

  test('59: the same driver anew, and a shared invalidator instead of its own', async () => {
    const { driver, a, b } = setUp();
    const { log } = driver.times;
    log.length = 0;
    a.configure(driver, { wrap, replaceExistingBackend: true });
    expect(log.splice(0)).toEqual(['attach r:', 'detach r:']);
    await a.set('a', 1);
    await b.invalidate();
    expect(await read(a)).toBe(NO_VALUE);
    a.configure(driver, { wrap, replaceExistingBackend: true, regionInvalidator: sharedInvalidator() });
    expect(log.splice(0)).toEqual(['detach r:']);
    await b.close();
    expect(log.splice(0)).toEqual(['detach r:']);
  });

  test('59: what is no invalidator is refused, and the region stays as it was', async () => {
    const { clock, a } = setUp();
    await a.set('a', 1);
    const bad = make(clock);
    bad.createInvalidator = () => ({ check: () => 'valid' }) as unknown as RegionInvalidator;
    expect(() => a.configure(bad, { wrap, replaceExistingBackend: true })).toThrow(
      expect.objectContaining({
        code: 'ERR_STOCKPILE_VALIDATION',
        message: expect.stringMatching(/createInvalidator of backend/),
      }),
    );
    expect(await read(a)).toBe(1);
  });
});

test('59: a driver made by name is closed where its region cannot be configured', () => {
  const closed: string[] = [];
  class Lost extends MemoryBackend {
    override createInvalidator(): never {
      throw new Error('no times');
    }
    override close(): void {
      closed.push('closed');
      super.close();
    }
  }
  registerBackend('lost-times', () => new Lost());
  const region = createRegion();
  expect(() => region.configure('lost-times')).toThrow('no times');
  expect(closed).toEqual(['closed']);
  expect(() => region.configure(new Lost())).toThrow('no times');
  expect(closed).toEqual(['closed']); // an instance is its user's
  expect(region.isConfigured).toBe(false);
});

test('59: a proxy that is itself given as the backend passes the question on', async () => {
  const clock = new TestClock();
  const driver = new ValuesDriver({ clock });
  const [a, b] = [driver, new ProxyBackend().attach(driver)].map((backend) => regionOn(backend, clock));
  await a?.set('a', 1);
  await a?.invalidate();
  expect(await b?.get('a')).toBe(NO_VALUE);
});

describe('check is spared', () => {
  function setUp(latest: number | undefined) {
    const clock = new TestClock();
    const asked: string[] = [];
    const rule = {
      invalidate() {},
      latest: latest === undefined ? undefined : clock.now() + latest,
      check({ key, createdAt }: { key: string; createdAt: number }): Verdict {
        asked.push(key);
        return createdAt <= (this.latest ?? -Infinity) ? 'hard' : 'valid';
      },
    };
    const region = regionOn(new MemoryBackend({ clock }), clock, { regionInvalidator: rule as RegionInvalidator });
    const readAll = async (): Promise<unknown[]> => [
      await region.get('a'),
      ...(await region.getMulti(['a'])),
      await region.getOrCreate('a', () => 'new', { shouldCache: () => false }),
      region.sync.get('a'),
      region.sync.getOrCreate('a', () => 'new', { shouldCache: () => false }),
    ];
    return { clock, region, rule, asked, readAll };
  }

  test('59: for what is dated after the newest invalidation, until there is a newer one', async () => {
    const { clock, region, rule, asked, readAll } = setUp(-10);
    await region.set('a', 1);
    expect(await readAll()).toEqual([1, 1, 1, 1, 1]);
    expect(asked).toEqual([]);
    rule.latest = clock.now(); // as old as the entry: it is meant
    expect(await readAll()).toEqual([NO_VALUE, NO_VALUE, 'new', NO_VALUE, 'new']);
    expect(asked).not.toEqual([]);
  });

  test('59: never where the newest is not told', async () => {
    const { region, asked, readAll } = setUp(undefined);
    await region.set('a', 1);
    expect(await readAll()).toEqual([1, 1, 1, 1, 1]);
    expect(asked).toHaveLength(5);
  });
});
