/** What a backend lacks, and how that is told. */

import { describe, expect, test } from '@jest/globals';
import { CacheBackend, type Capability, createRegion, NO_VALUE, NullBackend, type Region } from '@stockpile/core';
import { BACKENDS, BareBackend, FACES, failureOf } from './fixtures.js';

const ALL: readonly Capability[] = [
  'sync',
  'ttl',
  'locks',
  'counters',
  'compareAndSet',
  'enumerate',
  'clear',
  'events',
];

const USES: readonly [string, Capability, (region: Region) => unknown][] = [
  ['increment', 'counters', (region) => region.increment('k')],
  ['decrement', 'counters', (region) => region.decrement('k')],
  ['keys', 'enumerate', (region) => region.keys().next()],
  ['entries', 'enumerate', (region) => region.entries().next()],
  ['size', 'enumerate', (region) => region.size()],
  ['clear', 'clear', (region) => region.clear()],
  ['subscribe', 'events', (region) => region.subscribe('k', () => {})],
  ['subscribe to all', 'events', (region) => region.subscribe(null, () => {})],
  ['waitFor', 'events', (region) => region.waitFor('k')],
  ['waitFor a value', 'events', (region) => region.waitFor('k', { equals: 1 })],
  ['sync', 'sync', (region) => region.sync],
];

describe('a backend without capabilities', () => {
  test.each(USES)('79: %s fails, naming backend and %s, before anything is sent', async (_name, capability, use) => {
    const backend = new BareBackend();
    const region = createRegion({ name: 'users' }).configure(backend);
    expect(region.supports(capability)).toBe(false);
    const error = await failureOf(() => use(region));
    expect(error).toMatchObject({ code: 'ERR_STOCKPILE_CAPABILITY', region: 'users' });
    expect(error.message).toContain("'bare'");
    expect(error.message).toContain(`'${capability}'`);
    expect(backend.asked).toBe(0);
    expect(region.stats().errors).toBe(0);
  });

  test.each(USES)(
    '79: %s says so too where %s is missing for want of the declaration only',
    async (_name, capability, use) => {
      class Modest extends CacheBackend {
        readonly name = 'modest';
        readonly capabilities: ReadonlySet<Capability> = new Set(ALL.filter((other) => other !== capability));
        get = (): typeof NO_VALUE => NO_VALUE;
        set = (): boolean => true;
        delete = (): boolean => false;
      }
      expect((await failureOf(() => use(createRegion().configure(new Modest())))).code).toBe(
        'ERR_STOCKPILE_CAPABILITY',
      );
    },
  );

  test('79: does everything else', async () => {
    const region = createRegion().configure(new BareBackend());
    await region.setMulti({ a: 1, b: 2 });
    expect(await region.getMulti(['a', 'x', 'b'])).toEqual([1, NO_VALUE, 2]);
    expect(await region.getOrCreate('c', () => 3)).toBe(3);
    expect(await region.getOrCreateMulti(['c', 'd'], () => [4])).toEqual([3, 4]);
    expect(await region.deleteMulti(['a', 'x', 'd'])).toBe(2);
    await region.invalidate();
    expect(await region.get('b')).toBe(NO_VALUE);
  });

  test('79: a method that a driver declares and does not have is a CapabilityError, too', async () => {
    class Boasting extends BareBackend {
      override readonly capabilities = new Set(ALL);
    }
    const region = createRegion().configure(new Boasting());
    for (const use of [() => region.increment('k'), () => region.clear(), () => region.subscribe(null, () => {})]) {
      expect((await failureOf(use)).code).toBe('ERR_STOCKPILE_CAPABILITY');
    }
  });

  test('79: one that declares sync and answers with a promise breaks its word: region.sync says so', async () => {
    class Lying extends BareBackend {
      override readonly capabilities = new Set(['sync' as const]);
    }
    const region = createRegion().configure(new Lying());
    expect((await failureOf(() => region.sync.get('k'))).code).toBe('ERR_STOCKPILE_CAPABILITY');
    expect((await failureOf(() => region.sync.set('k', 1))).code).toBe('ERR_STOCKPILE_CAPABILITY');
    expect(await region.get('k')).toBe(1);
  });
});

test.each(BACKENDS)('79: supports() tells what %s can', (backend) => {
  const region = createRegion().configure(backend);
  const can = ALL.filter((capability) => region.supports(capability));
  expect(can).toEqual(['sync', 'ttl', 'counters', 'compareAndSet', 'enumerate', 'clear', 'events']);
  expect(region.supports('time travel' as Capability)).toBe(false);
});

describe.each(FACES)('%s over null', (_face, of) => {
  const region = (): Region => createRegion().configure('null', { expirationTime: '1h', background: true });

  test('95: all reads miss, whatever was written', async () => {
    const operations = of(region());
    await operations.set('k', 1);
    await operations.setMulti({ k: 1 });
    expect(await operations.getOrCreate('k', () => 1)).toBe(1);
    expect(await operations.get('k', { ignoreExpiration: true })).toBe(NO_VALUE);
    expect(await operations.getEntry('k')).toBe(NO_VALUE);
    expect(await operations.getMulti(['k'])).toEqual([NO_VALUE]);
  });

  test('95: every call creates, a held mutex can be taken, delete is false', async () => {
    const nullRegion = region();
    const operations = of(nullRegion);
    let created = 0;
    const create = (): number => ++created;
    const impatient = { lockTimeout: 0, onLockTimeout: 'throw' } as const;
    expect(await operations.getOrCreate('k', create, impatient)).toBe(1);
    expect(await operations.getOrCreate('k', create, impatient)).toBe(2);
    expect(await operations.getOrCreateMulti(['k', 'l'], (keys) => keys.map(create))).toEqual([3, 4]);
    await nullRegion.getOrCreate('k', async () => {
      expect(await operations.keyIsLocked('k')).toBe(false);
      expect(await operations.getOrCreate('l', create)).toBe(5);
    });
    expect(await operations.delete('k')).toBe(false);
    expect(await operations.deleteMulti(['k', 'l'])).toBe(0);
    expect(await operations.size()).toBe(0);
    await operations.clear();
    expect((await failureOf(() => operations.increment('k'))).code).toBe('ERR_STOCKPILE_CAPABILITY');
  });

  test('95: a wrong key is refused here as elsewhere', async () => {
    expect((await failureOf(() => of(region()).get(''))).code).toBe('ERR_STOCKPILE_VALIDATION');
    expect(region().actualBackend).toBeInstanceOf(NullBackend);
  });
});
