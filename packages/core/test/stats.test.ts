/** What a region counts, and what it publishes on node:diagnostics_channel. */

import { channel, tracingChannel } from 'node:diagnostics_channel';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { type ConfigureOptions, createRegion, hashMangler, ProxyBackend, type RegionStats } from '@stockpile/core';
import { failureOf, regionOn, VARIANTS } from './fixtures.js';

const NOTHING: RegionStats = {
  hits: 0,
  staleHits: 0,
  misses: 0,
  missReasons: { absent: 0, stale: 0, expired: 0, invalidated: 0, unavailable: 0, unreadable: 0 },
  creations: 0,
  creationTime: 0,
  creationErrors: 0,
  superseded: 0,
  waits: 0,
  errors: 0,
  servers: [],
};
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  jest.restoreAllMocks();
});

/** What is published on `stockpile:<name>` until the end of the test. */
function listen(name: string): unknown[] {
  const messages: unknown[] = [];
  const listener = (message: unknown): void => void messages.push(message);
  channel(`stockpile:${name}`).subscribe(listener);
  cleanups.push(() => channel(`stockpile:${name}`).unsubscribe(listener));
  return messages;
}

/** The events of creations, with their messages, until the end of the test. */
function trace(): { events: string[]; messages: Record<string, unknown>[] } {
  const events: string[] = [];
  const messages: Record<string, unknown>[] = [];
  const note = (event: string) => (message: object) => {
    events.push(event);
    messages.push(message as Record<string, unknown>);
  };
  const subscribers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  };
  const creations = tracingChannel('stockpile:create');
  creations.subscribe(subscribers);
  cleanups.push(() => creations.unsubscribe(subscribers));
  return { events, messages };
}

describe.each(VARIANTS)('stats() of %s over %s', (_face, backend, of) => {
  const aged = (options: ConfigureOptions = {}) => regionOn(backend, { expirationTime: '1s', grace: '1h', ...options });

  test('begin at 0, are a snapshot, and survive a change of the backend', async () => {
    const { region } = aged();
    const before = region.stats();
    await of(region).get('k');
    expect(before).toEqual(NOTHING);
    region.configure(backend, { replaceExistingBackend: true });
    await of(region).get('k');
    expect(region.stats()).toEqual({ ...NOTHING, misses: 2, missReasons: { ...NOTHING.missReasons, absent: 2 } });
  });

  test('count hits of every read, one for each value', async () => {
    const { region } = aged();
    const operations = of(region);
    await operations.setMulti({ a: 1, b: 2 });
    await operations.get('a');
    await operations.getEntry('a');
    await operations.getMulti(['a', 'b', 'a']);
    await operations.getOrCreate('a', () => 0);
    await operations.getOrCreateMulti(['a', 'b'], () => []);
    expect(region.stats()).toEqual({ ...NOTHING, hits: 8 });
  });

  test('tell why values were missed', async () => {
    const { region, clock } = aged();
    const operations = of(region);
    await operations.get('absent');
    await operations.set('k', 1);
    clock.time += 1000;
    await operations.get('k');
    await operations.getMulti(['k']);
    await operations.set('old', 1, { expirationTime: '10h' });
    clock.time += 3_600_000;
    await operations.get('old', { expirationTime: 0 });
    await operations.invalidate();
    await operations.get('old');
    const { misses, missReasons } = region.stats();
    expect(missReasons).toEqual({ absent: 1, stale: 2, expired: 1, invalidated: 1, unavailable: 0, unreadable: 0 });
    expect(misses).toBe(5);
  });

  test('count creations, by the clock of the region, and stale values served', async () => {
    const { region, clock } = aged({ serveStaleOnError: true });
    const operations = of(region);
    await operations.getOrCreate('k', () => {
      clock.time += 30;
      return 1;
    });
    clock.time += 1000;
    await operations.getOrCreate('k', () => {
      clock.time += 12;
      return 2;
    });
    await operations.getOrCreateMulti(['a', 'b'], (keys) => keys.map(() => 1));
    clock.time += 1000;
    await operations.getOrCreate('k', () => {
      throw new Error('down');
    });
    await operations.getEntry('k');
    const { misses, missReasons, servers, ...stats } = region.stats();
    expect(servers).toEqual([]);
    expect(stats).toEqual({
      hits: 0,
      staleHits: 2,
      creations: 3,
      creationTime: 42,
      creationErrors: 1,
      superseded: 0,
      waits: 0,
      errors: 0,
    });
    expect([misses, missReasons.absent, missReasons.stale]).toEqual([4, 3, 1]);
  });

  test('10, 45: creation time never shrinks, also if the clock is set back meanwhile', async () => {
    const { region, clock } = aged({ earlyRefresh: true });
    await of(region).getOrCreate('k', () => {
      clock.time -= 5000;
      return 1;
    });
    expect(region.stats()).toMatchObject({ creations: 1, creationTime: 0, errors: 0 });
    expect(await of(region).get('k')).toBe(1);
  });

  test('count what was overtaken', async () => {
    const { region } = aged();
    await region.getOrCreate('k', async () => {
      await of(region).delete('k');
      return 1;
    });
    expect(region.stats()).toMatchObject({ creations: 1, superseded: 1 });
  });

  test('count failures of the backend, not of their users', async () => {
    class Failing extends ProxyBackend {
      override set(): boolean {
        throw new Error('down');
      }
    }
    const { region } = aged({ wrap: [Failing] });
    await failureOf(() => of(region).set('k', 1));
    await failureOf(() => of(region).setMulti({ k: 1 }));
    await of(region).getOrCreate('k', () => 1);
    expect(region.stats().errors).toBe(3);
    await failureOf(() => of(region).get(''));
    await failureOf(() => of(region).get('k', { expirationTime: -1 }));
    expect(region.stats().errors).toBe(3);
  });

  test('publish hits, stale values and misses with region and original key', async () => {
    const [hits, stales, misses] = [listen('hit'), listen('stale'), listen('miss')];
    const { region, clock } = regionOn(
      backend,
      { expirationTime: '1s', grace: '1h' },
      { name: 'users', keyMangler: hashMangler },
    );
    await of(region).get('k');
    await of(region).set('k', 1);
    await of(region).getMulti(['k', 'x']);
    clock.time += 1000;
    await of(region).getEntry('k');
    await of(region).get('k');
    expect(hits).toEqual([{ region: 'users', key: 'k' }]);
    expect(stales).toEqual([{ region: 'users', key: 'k' }]);
    expect(misses).toEqual([
      { region: 'users', key: 'k', reason: 'absent' },
      { region: 'users', key: 'x', reason: 'absent' },
      { region: 'users', key: 'k', reason: 'stale' },
    ]);
  });

  test('publish errors with operation and original key', async () => {
    const errors = listen('error');
    class Failing extends ProxyBackend {
      override get(): never {
        throw new Error('down');
      }
    }
    const { region } = regionOn(backend, { wrap: [Failing] }, { name: 'users', keyMangler: hashMangler });
    const error = await failureOf(() => of(region).get('k'));
    expect(errors).toEqual([{ region: 'users', key: 'k', operation: 'get', error }]);
  });

  test('nothing is made for nobody: without a subscriber nothing is published', async () => {
    const spies = ['hit', 'stale', 'miss', 'error'].map((name) => jest.spyOn(channel(`stockpile:${name}`), 'publish'));
    const { start } = tracingChannel('stockpile:create');
    const started = jest.spyOn(start, 'publish');
    const { region, clock } = aged({ serveStaleOnError: true });
    await of(region).get('k');
    await of(region).getOrCreate('k', () => 1);
    await of(region).get('k');
    clock.time += 1000;
    await of(region).getEntry('k');
    class Failing extends ProxyBackend {
      override get(): never {
        throw new Error('down');
      }
    }
    await failureOf(() => of(aged({ wrap: [Failing] }).region).get('k'));
    expect(spies.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0, 0]);
    expect(started).not.toHaveBeenCalled();
    // who comes late hears what comes later
    listen('miss');
    await of(region).get('absent');
    expect(spies.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 1, 0]);
  });
});

describe('tracing', () => {
  test('creations of getOrCreate are traced as promises, with their result', async () => {
    const { events, messages } = trace();
    const region = createRegion({ name: 'users' }).configure('memory');
    await region.getOrCreate('k', async () => 'v');
    expect(events).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    expect(new Set(messages).size).toBe(1);
    expect(messages[0]).toMatchObject({ region: 'users', key: 'k', result: 'v' });
    await region.getOrCreate('k', () => 'w'); // a hit
    expect(events).toHaveLength(4);
  });

  test('those of getOrCreateMulti name the keys that are created', async () => {
    const { messages } = trace();
    const region = createRegion({ name: 'users' }).configure('memory');
    await region.set('b', 1);
    await region.getOrCreateMulti(['a', 'b', 'c'], (keys) => [...keys]);
    expect(messages[0]).toMatchObject({ region: 'users', keys: ['a', 'c'] });
  });

  test('those of region.sync are traced without promises', () => {
    const { events, messages } = trace();
    const { sync } = createRegion({ name: 'users' }).configure('memory');
    sync.getOrCreate('k', () => 'v');
    expect(events).toEqual(['start', 'end']);
    expect(messages[0]).toMatchObject({ region: 'users', keys: ['k'] });
    sync.getOrCreateMulti(['k', 'l'], (keys) => [...keys]);
    expect(messages.at(-1)).toMatchObject({ keys: ['l'] });
  });

  test('a creator that fails is traced with its error', async () => {
    const failure = new Error('down');
    const { events, messages } = trace();
    const region = createRegion({ name: 'users' }).configure('memory');
    await expect(region.getOrCreate('k', () => Promise.reject(failure))).rejects.toBe(failure);
    expect(events).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(messages[0]).toMatchObject({ key: 'k', error: failure });
    events.length = 0;
    const fail = (): never => {
      throw failure;
    };
    expect(() => region.sync.getOrCreate('k', fail)).toThrow(failure);
    expect(events).toEqual(['start', 'error', 'end']);
    expect(region.stats()).toMatchObject({ creationErrors: 2, errors: 0 });
  });

  test('29: a creation in the background that fails is an error message and a count', async () => {
    const errors = listen('error');
    const failure = new Error('down');
    const { region, clock } = regionOn('memory', { expirationTime: '1s', grace: '1h' }, { name: 'users' });
    await region.set('k', 'old');
    clock.time += 1000;
    const works: Promise<void>[] = [];
    const background = (work: Promise<void>): void => void works.push(work);
    expect(await region.getOrCreate('k', () => Promise.reject(failure), { background })).toBe('old');
    await Promise.all(works);
    expect(errors).toEqual([{ region: 'users', key: 'k', operation: 'background', error: failure }]);
    expect(region.stats()).toMatchObject({ staleHits: 1, creationErrors: 1, errors: 1 });
  });

  test('74: an unreadable entry is published with the error of the serializer', async () => {
    const errors = listen('error');
    const failure = new Error('torn');
    const serializer = {
      name: 'broken',
      serialize: () => new Uint8Array(),
      deserialize: () => {
        throw failure;
      },
    };
    const { region } = regionOn('memory-pickle', {}, { name: 'users', serializer });
    await region.set('k', 1);
    await region.get('k');
    expect(errors).toEqual([{ region: 'users', key: 'k', operation: 'decode', error: failure }]);
    expect(region.stats()).toMatchObject({ errors: 0, missReasons: { unreadable: 1 } });
  });

  test('32: callers that share a creation are counted as waits', async () => {
    const { region } = regionOn('memory');
    let open = (_value: string): void => {};
    const gate = new Promise<string>((resolve) => {
      open = resolve;
    });
    const calls = Array.from({ length: 5 }, () => region.getOrCreate('k', () => gate));
    open('v');
    expect(await Promise.all(calls)).toEqual(['v', 'v', 'v', 'v', 'v']);
    expect(region.stats()).toMatchObject({ creations: 1, waits: 4, misses: 5, hits: 0 });
  });
});
