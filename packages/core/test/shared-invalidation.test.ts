/** 59: sharedInvalidator between two regions, over events and by polling. */

import { describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import {
  type Capability,
  createRegion,
  type KeyEvent,
  NO_VALUE,
  ProxyBackend,
  type Region,
  sharedInvalidator,
} from '@stockpile/core';
import { AsyncBackend, Storage } from './helpers/async-backend.js';
import { FaultyBackend } from './helpers/faulty-backend.js';
import { KINDS, regionOn, twoProcesses } from './helpers/setups.js';
import { failureOf, Gate, settle, TestClock } from './helpers/time.js';

/** Hides what a backend tells of changes. */
class Deaf extends ProxyBackend {
  override get capabilities(): ReadonlySet<Capability> {
    const capabilities = new Set(this.proxied.capabilities);
    capabilities.delete('events');
    return capabilities;
  }
}

const WAYS = { 'over events': [], 'by polling': [Deaf] } as const;
const CASES = KINDS.flatMap(({ kind, make }) =>
  Object.entries(WAYS).map(([way, wrap]) => ({ title: `${way}, over ${kind}`, make, wrap, polls: wrap.length > 0 })),
);

describe.each(CASES)('$title', ({ make, wrap, polls }) => {
  /** Two regions over one backend object, and what lets an invalidation get around. */
  function setUp() {
    const clock = new TestClock();
    const backend = make(clock);
    const [a, b] = [1, 2].map(() =>
      regionOn(backend, clock, { wrap, regionInvalidator: sharedInvalidator({ pollInterval: '5s' }) }),
    ) as [Region<unknown>, Region<unknown>];
    const spread = (): void => {
      if (polls) clock.advance(5000);
    };
    return { clock, backend, a, b, spread };
  }

  test('59: a hard invalidation in one region is seen in the other', async () => {
    const { a, b, spread } = setUp();
    await a.set('a', 'old');
    expect(await b.get('a')).toBe('old');
    await a.invalidate();
    spread();
    expect(await a.get('a')).toBe(NO_VALUE);
    expect(await b.getEntry('a')).toBe(NO_VALUE);
    expect(await b.getMulti(['a'])).toEqual([NO_VALUE]);
    expect(await b.getOrCreate('a', () => 'new')).toBe('new');
    expect(await a.get('a')).toBe('new');
  });

  test('59: a soft invalidation, and one by tag, are seen as such', async () => {
    const { a, b, spread } = setUp();
    await a.set('a', 'A', { tags: ['red'] });
    await a.set('b', 'B');
    await b.invalidate({ hard: false });
    spread();
    expect(await a.getEntry('b')).toMatchObject({ value: 'B', stale: true });
    await b.invalidate({ tags: ['red'] });
    spread();
    expect(await a.getEntry('a')).toBe(NO_VALUE);
    expect(await a.getEntry('b')).toMatchObject({ value: 'B', stale: true });
  });

  test('59: invalidations of both regions combine', async () => {
    const { clock, a, b, spread } = setUp();
    await a.set('a', 'A');
    await a.invalidate();
    clock.advance(1);
    await b.invalidate({ hard: false });
    spread();
    expect(await a.getEntry('a')).toBe(NO_VALUE);
    expect(await b.getEntry('a')).toBe(NO_VALUE);
  });

  test.each([true, false])(
    '59: a later invalidation by tag is seen beside the earlier one of all (hard: %s)',
    async (hard) => {
      const { clock, a, b, spread } = setUp();
      await a.invalidate();
      spread();
      expect(await b.get('a')).toBe(NO_VALUE);
      clock.advance(1);
      await a.set('a', 'A', { tags: ['red'] });
      await a.invalidate({ hard, tags: ['red'] });
      spread();
      const entry = await b.getEntry('a');
      expect(entry === NO_VALUE ? 'hard' : entry.stale).toBe(hard ? 'hard' : true);
    },
  );

  test('59: a region that is made later knows of earlier invalidations', async () => {
    const { clock, backend, a } = setUp();
    await a.set('a', 'old');
    await a.invalidate();
    const late = regionOn(backend, clock, { wrap, regionInvalidator: sharedInvalidator() });
    expect(await late.get('a')).toBe(NO_VALUE);
    await late.set('a', 'new');
    expect(await late.get('a')).toBe('new');
  });

  test('59: the reserved key is no key of the region', async () => {
    const { a } = setUp();
    await a.set('a', 1);
    await a.invalidate({ hard: false });
    const keys: string[] = [];
    for await (const key of a.keys()) keys.push(key);
    expect(keys).toEqual(['a']);
    expect(await a.size()).toBe(1);
  });
});

describe('by polling', () => {
  test('59: the times are read at most once per pollInterval', async () => {
    const clock = new TestClock();
    const backend = new AsyncBackend(new Storage(clock));
    const options = { wrap: [Deaf], regionInvalidator: sharedInvalidator({ pollInterval: '5s' }) };
    const region = regionOn(backend, clock, options);
    const reads = (): number => backend.calls.filter((call) => call.startsWith('get ') && !call.endsWith(':a')).length;
    for (let i = 0; i < 10; i++) await region.get('a');
    expect(reads()).toBe(1);
    clock.advance(4999);
    await region.get('a');
    expect(reads()).toBe(1);
    clock.advance(1);
    await region.get('a');
    await region.getMulti(['a']);
    expect(reads()).toBe(2);
  });

  test('59: until the poll the other region may serve what it has', async () => {
    const { a, b, clock } = twoProcesses(() => ({ regionInvalidator: sharedInvalidator() }), { without: ['events'] });
    await a.region.set('a', 'old');
    expect(await b.region.get('a')).toBe('old');
    await a.region.invalidate();
    clock.advance(999);
    expect(await b.region.get('a')).toBe('old');
    clock.advance(1);
    expect(await b.region.get('a')).toBe(NO_VALUE);
  });

  test('59: a pollInterval that is no duration is refused', () => {
    expect(() => sharedInvalidator({ pollInterval: '5 parsecs' as '5s' })).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
    );
  });
});

describe('over events', () => {
  test('59: the times are read every ten poll intervals, and when they have changed', async () => {
    const { clock, a, b } = twoProcesses(() => ({ regionInvalidator: sharedInvalidator() }));
    const reads = (): number =>
      b.backend.calls.filter((call) => call.startsWith('get ') && !call.endsWith(':a')).length;
    for (let i = 0; i < 5; i++) {
      await b.region.get('a');
      clock.advance(1000);
    }
    expect(reads()).toBe(1);
    clock.advance(5000); // ten intervals after the first: events may have been lost unnoticed
    await b.region.get('a');
    expect(reads()).toBe(2);
    await a.region.invalidate();
    for (let i = 0; i < 5; i++) await b.region.get('a');
    expect(reads()).toBe(3);
  });

  test('59: of concurrent reads after an event all wait for the times', async () => {
    const { a, b } = twoProcesses(() => ({ regionInvalidator: sharedInvalidator() }));
    await a.region.set('a', 'old');
    expect(await b.region.get('a')).toBe('old');
    await a.region.invalidate();
    const times = b.backend.hold('get');
    const reads = Promise.all([1, 2, 3].map(() => b.region.get('a')));
    await settle();
    times.release();
    expect(await reads).toEqual([NO_VALUE, NO_VALUE, NO_VALUE]);
  });

  test.each([
    { way: 'over events', wrap: [] },
    { way: 'by polling', wrap: [Deaf] },
  ])('59: a read of the times that failed is made up for ($way)', async ({ wrap }) => {
    const clock = new TestClock();
    const storage = new Storage(clock);
    const a = regionOn(new AsyncBackend(storage), clock, { wrap, regionInvalidator: sharedInvalidator() });
    const backend = new FaultyBackend(storage);
    const b = regionOn(backend, clock, { wrap, regionInvalidator: sharedInvalidator() });
    await a.set('a', 'old');
    expect(await b.get('a')).toBe('old');
    clock.advance(1000);
    await a.invalidate();
    backend.fail('refuse', ['get']);
    expect(await failureOf(b.get('a'))).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE' });
    backend.heal();
    expect(await b.get('a')).toBe(NO_VALUE);
  });

  test('59: concurrent invalidations of two processes lose none', async () => {
    const { a, b, clock } = twoProcesses(() => ({ regionInvalidator: sharedInvalidator() }));
    for (const tag of ['x', 'y', 'z', 'w']) await a.region.set(tag, tag, { tags: [tag] });
    clock.advance(1);
    await Promise.all([
      a.region.invalidate({ tags: ['x'] }),
      b.region.invalidate({ tags: ['y'] }),
      a.region.invalidate({ tags: ['z'] }),
    ]);
    const late = regionOn(a.backend, clock, { regionInvalidator: sharedInvalidator() });
    for (const region of [a.region, b.region, late]) {
      expect(await region.getMulti(['x', 'y', 'z', 'w'])).toEqual([NO_VALUE, NO_VALUE, NO_VALUE, 'w']);
    }
  });

  test('59: clear of the region does not bring back what was invalidated', async () => {
    const { a, b } = twoProcesses(() => ({ regionInvalidator: sharedInvalidator() }));
    await a.region.set('a', 'old');
    await b.region.get('a');
    await a.region.invalidate();
    expect(await b.region.get('a')).toBe(NO_VALUE);
    await a.backend.delete('r:\0stockpile.invalidations');
    expect(await b.region.get('a')).toBe(NO_VALUE);
  });

  test('59: foreign bytes under the reserved key harm nobody', async () => {
    const { a, b, clock, storage } = twoProcesses(() => ({ regionInvalidator: sharedInvalidator() }));
    const written: (string | undefined)[] = [];
    storage.memory.subscribe('r:\0', ({ key }) => written.push(key));
    await a.region.set('a', 1);
    await a.region.invalidate({ hard: false });
    const [reserved = ''] = written;
    for (const value of [null, 'text', { hard: 'x', softTags: [[1, 2]] }]) {
      storage.memory.set(reserved, { value, metadata: { createdAt: clock.now() } }, { ttl: Infinity });
      expect(await b.region.get('missing')).toBe(NO_VALUE);
    }
    await settle();
    await a.region.invalidate();
    expect(await b.region.getEntry('a')).toBe(NO_VALUE);
  });
});

const TIMES = 'r:\0stockpile.invalidations';

describe.each([
  { way: 'over events', wrap: [] },
  { way: 'by polling', wrap: [Deaf] },
])('$way', ({ wrap }) => {
  test('82: a read of the times that never ends harms only who waits for it', async () => {
    const clock = new TestClock();
    const backend = new FaultyBackend(new Storage(clock));
    const region = regionOn(backend, clock, { wrap, timeout: 30, regionInvalidator: sharedInvalidator() });
    backend.fail('silent', [`get:${TIMES}`]);
    expect(await failureOf(region.get('a'))).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_TIMEOUT' });
    backend.heal();
    expect(await region.get('a')).toBe(NO_VALUE);
    await region.invalidate();
    expect(await region.getOrCreate('a', () => 'new')).toBe('new');
    expect(await region.get('a')).toBe('new');
  });

  test('84: a write of the times that never ends does not keep later invalidations from theirs', async () => {
    const clock = new TestClock();
    const backend = new FaultyBackend(new Storage(clock));
    const region = regionOn(backend, clock, { wrap, timeout: 30, regionInvalidator: sharedInvalidator() });
    await region.set('a', 'old');
    backend.fail('silent', [`set:${TIMES}`]);
    expect(await failureOf(region.invalidate())).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_TIMEOUT' });
    backend.heal();
    await settle();
    await region.invalidate();
    expect(await region.get('a')).toBe(NO_VALUE);
  });
});

/** Tells of changes only when the test lets it, as over a network. */
class LateEvents extends AsyncBackend {
  readonly arrival: Gate = new Gate();

  override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
    return super.subscribe(prefix, (event) => void this.arrival.promise.then(() => listener(event)));
  }
}

describe('before a created value is stored', () => {
  function setUp() {
    const clock = new TestClock();
    const storage = new Storage(clock);
    const start = (backend: AsyncBackend) => regionOn(backend, clock, { regionInvalidator: sharedInvalidator() });
    const backend = new LateEvents(storage);
    return { clock, backend, a: start(new AsyncBackend(storage)), b: start(backend) };
  }

  test('58, 59: the times are read, also while the event of the invalidation is on its way', async () => {
    const { clock, backend, a, b } = setUp();
    await b.get('a');
    const gate = new Gate<string>();
    const call = b.getOrCreate('a', () => gate.promise);
    await settle();
    clock.advance(10);
    await a.invalidate();
    clock.advance(10);
    gate.open('old');
    expect(await call).toBe('old');
    expect(await b.get('a', { ignoreExpiration: true })).toBe(NO_VALUE);
    backend.arrival.open();
    await settle();
    expect(await a.get('a')).toBe(NO_VALUE);
    expect(await b.get('a')).toBe(NO_VALUE);
  });

  test('58, 59: a read of the times that was begun before the invalidation is not enough', async () => {
    const { clock, backend, a, b } = setUp();
    const gate = new Gate<string>();
    const call = b.getOrCreate('a', () => gate.promise);
    await settle();
    clock.advance(10_000); // the next read is due
    const times = backend.hold('get', TIMES);
    const early = b.get('other');
    await times.arrived;
    await a.invalidate();
    clock.advance(10);
    gate.open('old');
    expect(await call).toBe('old');
    times.release();
    expect(await early).toBe(NO_VALUE);
    expect(await b.get('a', { ignoreExpiration: true })).toBe(NO_VALUE);
  });
});

describe('whose invalidator it is', () => {
  /** Counts who listens. */
  class Listened extends MemoryBackend {
    listeners = 0;

    override subscribe(prefix: string, listener: (event: KeyEvent) => void): Disposable {
      const subscription = super.subscribe(prefix, listener);
      this.listeners++;
      return {
        [Symbol.dispose]: () => {
          this.listeners--;
          subscription[Symbol.dispose]();
        },
      };
    }
  }

  test('86: close and replaceExistingBackend leave no listener on the backend', async () => {
    const [first, second] = [new Listened(), new Listened()];
    const region = createRegion({ name: 'r' }).configure(first, { regionInvalidator: sharedInvalidator() });
    expect(first.listeners).toBe(1);
    region.configure(second, { replaceExistingBackend: true });
    expect([first.listeners, second.listeners]).toEqual([0, 1]);
    region.configure(first, { replaceExistingBackend: true, regionInvalidator: sharedInvalidator() });
    expect([first.listeners, second.listeners]).toEqual([1, 0]);
    await region.close();
    expect(first.listeners).toBe(0);
  });

  test('59: one invalidator for two regions is refused, and free again after close', async () => {
    const regionInvalidator = sharedInvalidator();
    const backend = new MemoryBackend();
    const users = createRegion({ name: 'users' }).configure(backend, { regionInvalidator });
    const posts = createRegion({ name: 'posts' });
    const refused = expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' });
    expect(() => posts.configure(backend, { regionInvalidator })).toThrow(refused);
    expect(posts.isConfigured).toBe(false);
    await users.set('a', 1);
    await users.invalidate();
    expect(await users.get('a')).toBe(NO_VALUE);
    await users.close();
    expect(posts.configure(backend, { regionInvalidator }).isConfigured).toBe(true);
  });
});
