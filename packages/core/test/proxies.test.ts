/** Layers around a backend. */

import { describe, expect, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import {
  type Awaitable,
  type CachedValue,
  type CacheMutex,
  type Capability,
  createRegion,
  NO_VALUE,
  type NoValue,
  ProxyBackend,
  type ProxyLike,
  type Region,
  type WriteOptions,
} from '@stockpile/core';
import { BACKENDS, BareBackend, FACES, failureOf, recorded, regionOn, VARIANTS } from './fixtures.js';

/** Overrides only get and set; notes what it sees. */
class Seeing extends ProxyBackend {
  readonly seen: [string, string, unknown][] = [];
  override get(key: string, now?: number): Awaitable<CachedValue | NoValue> {
    const found = this.proxied.get(key, now) as CachedValue | NoValue;
    this.seen.push(['get', key, found === NO_VALUE ? found : { ...found }]);
    return found;
  }
  override set(key: string, item: CachedValue, options: WriteOptions): Awaitable<boolean> {
    this.seen.push(['set', key, item]);
    return this.proxied.set(key, item, options);
  }
}

class Deleting extends ProxyBackend {
  readonly deleted: string[] = [];
  override delete(key: string): Awaitable<boolean> {
    this.deleted.push(key);
    return this.proxied.delete(key);
  }
}

describe.each(VARIANTS)('%s over %s', (_face, backend, of) => {
  test('70: a proxy that overrides get and set sees CachedValue objects', async () => {
    const proxy = new Seeing();
    const { region, clock } = regionOn(backend, { wrap: [proxy], expirationTime: '1m' });
    const operations = of(region);
    await operations.set('k', { a: 1 }, { tags: ['t'] });
    expect(await operations.get('k')).toEqual({ a: 1 });
    expect(await operations.get('x')).toBe(NO_VALUE);
    const item = { value: { a: 1 }, metadata: { createdAt: clock.time, tags: ['t'] } };
    expect(proxy.seen).toEqual([
      ['set', 'test:k', item],
      ['get', 'test:k', expect.objectContaining(item)],
      ['get', 'test:x', NO_VALUE],
    ]);
  });

  test('70: getOrCreate reads and stores through it', async () => {
    const proxy = new Seeing();
    const operations = of(regionOn(backend, { wrap: [proxy] }).region);
    await operations.getOrCreate('k', () => 'v');
    await operations.getOrCreate('k', () => 'w');
    const methods = proxy.seen.map(([method]) => method);
    expect(methods.filter((method) => method === 'set')).toHaveLength(1);
    expect([methods[0], methods.at(-2), methods.at(-1)]).toEqual(['get', 'set', 'get']);
  });

  test('71: it sees multi calls too, key by key', async () => {
    const proxy = new Seeing();
    const operations = of(regionOn(backend, { wrap: [proxy] }).region);
    await operations.setMulti({ a: 1, b: 2 });
    expect(await operations.getMulti(['b', 'x', 'a'])).toEqual([2, NO_VALUE, 1]);
    await operations.getOrCreateMulti(['a', 'c'], () => [3]);
    expect(proxy.seen.map(([method, key]) => `${method} ${key}`)).toEqual([
      'set test:a',
      'set test:b',
      'get test:b',
      'get test:x',
      'get test:a',
      'get test:a',
      'get test:c',
      'set test:c',
    ]);
  });

  test('71: one that overrides delete sees deleteMulti, key by key', async () => {
    const proxy = new Deleting();
    const operations = of(regionOn(backend, { wrap: [proxy] }).region);
    await operations.setMulti({ a: 1, b: 2 });
    expect(await operations.deleteMulti(['a', 'x', 'b'])).toBe(2);
    expect(await operations.delete('a')).toBe(false);
    expect(proxy.deleted).toEqual(['test:a', 'test:x', 'test:b', 'test:a']);
  });

  test('72: two stacked counting proxies count exactly, the first is outermost', async () => {
    const order: string[] = [];
    class Counting extends ProxyBackend {
      readonly counts = { get: 0, set: 0 };
      constructor(readonly label: string) {
        super();
      }
      override get(key: string, now?: number): Awaitable<CachedValue | NoValue> {
        this.counts.get++;
        order.push(this.label);
        return this.proxied.get(key, now);
      }
      override set(key: string, item: CachedValue, options: WriteOptions): Awaitable<boolean> {
        this.counts.set++;
        return this.proxied.set(key, item, options);
      }
    }
    const [outer, inner] = [new Counting('outer'), new Counting('inner')];
    const { region } = regionOn(backend, { wrap: [outer, inner] });
    expect(region.backend).toBe(outer);
    expect(outer.proxied).toBe(inner);
    const operations = of(region);
    await operations.set('a', 1);
    await operations.setMulti({ b: 2, c: 3 });
    await operations.get('a');
    expect(order).toEqual(['outer', 'inner']);
    await operations.getMulti(['a', 'b', 'x']);
    expect([outer.counts, inner.counts]).toEqual([
      { get: 4, set: 3 },
      { get: 4, set: 3 },
    ]);
  });

  test('72: a proxy may change and veto', async () => {
    class Censor extends ProxyBackend {
      override set(key: string, item: CachedValue, options: WriteOptions): Awaitable<boolean> {
        if (item.value === 'secret') return true;
        return this.proxied.set(key, { ...item, value: `checked ${item.value}` }, options);
      }
    }
    const operations = of(regionOn(backend, { wrap: [Censor] }).region);
    await operations.setMulti({ a: 'secret', b: 'b' });
    await operations.set('c', 'secret');
    expect(await operations.getOrCreate('d', () => 'secret')).toBe('secret');
    expect(await operations.getMulti(['a', 'b', 'c', 'd'])).toEqual([NO_VALUE, 'checked b', NO_VALUE, NO_VALUE]);
  });

  test('72: an error that a proxy throws reaches the caller with the key', async () => {
    class Broken extends ProxyBackend {
      override set(): Awaitable<boolean> {
        throw new Error('quota');
      }
    }
    const operations = of(regionOn(backend, { wrap: [Broken] }).region);
    const error = await failureOf(() => operations.set('k', 1));
    expect(error).toMatchObject({ code: 'ERR_STOCKPILE_BACKEND_UNAVAILABLE', key: 'k', cause: { message: 'quota' } });
    expect(await failureOf(() => operations.setMulti({ a: 1 }))).toMatchObject({ cause: { message: 'quota' } });
  });

  test('72: an error for some keys of a multi call names them as the application does', async () => {
    const refuse = (key: string): void => {
      if (key.includes('bad')) throw new Error('refused');
    };
    class Picky extends ProxyBackend {
      override get(key: string, now?: number): Awaitable<CachedValue | NoValue> {
        refuse(key);
        return this.proxied.get(key, now);
      }
      override set(key: string, item: CachedValue, options: WriteOptions): Awaitable<boolean> {
        refuse(key);
        return this.proxied.set(key, item, options);
      }
      override delete(key: string): Awaitable<boolean> {
        refuse(key);
        return this.proxied.delete(key);
      }
    }
    const operations = of(createRegion({ name: 'test' }).configure(backend, { wrap: [Picky] }));
    await failureOf(() => operations.setMulti({ good: 1, bad1: 2, bad2: 3 }));
    expect(await operations.get('good')).toBe(1);
    for (const work of [
      () => operations.getMulti(['bad1', 'good', 'bad2']),
      () => operations.setMulti({ bad1: 2, good: 1, bad2: 3 }),
      () => operations.deleteMulti(['bad1', 'good', 'bad2']),
    ]) {
      expect(await failureOf(work)).toMatchObject({
        keys: ['bad1', 'bad2'],
        message: expect.stringContaining('refused'),
      });
    }
  });

  test('72: a proxy may replace getMutex', async () => {
    const log: string[] = [];
    class Locking extends ProxyBackend {
      override getMutex(key: string): CacheMutex {
        return {
          acquire: () => log.push(`acquire ${key}`) > 0,
          release: () => log.push(`release ${key}`) > 0,
          locked: () => key === 'test:locked',
        };
      }
    }
    const operations = of(regionOn(backend, { wrap: [Locking] }).region);
    await operations.getOrCreate('k', () => log.push('create'));
    expect(log).toEqual(['acquire test:k', 'create', 'release test:k']);
    expect(await operations.keyIsLocked('locked')).toBe(true);
    expect(await operations.keyIsLocked('k')).toBe(false);
  });
});

describe('what a proxy does not override', () => {
  test.each(FACES)('70: passes through %s: one call each, multi forms included', async (_face, of) => {
    const { backend, calls } = recorded();
    const operations = of(regionOn(backend, { wrap: [ProxyBackend, ProxyBackend] }).region);
    await operations.set('a', 1);
    await operations.setMulti({ b: 2 });
    await operations.get('a');
    await operations.getMulti(['a', 'b']);
    await operations.increment('a');
    await operations.delete('a');
    await operations.deleteMulti(['b']);
    await operations.keyIsLocked('a');
    await operations.size();
    await operations.clear();
    expect(calls.map(({ method }) => method)).toEqual([
      'set',
      'setMulti',
      'get',
      'getMulti',
      'get', // whether the counter is one to count on
      'increment',
      'delete',
      'deleteMulti',
      'getMutex',
      'keys',
      'clear',
    ]);
  });

  test.each(BACKENDS)('70: passes through: capabilities, sync, events and names of %s', (backend) => {
    const plain = createRegion().configure(backend);
    const wrapped = createRegion().configure(backend, { wrap: [ProxyBackend] });
    expect(wrapped.backend.capabilities).toEqual(plain.backend.capabilities);
    expect(wrapped.backend.name).toBe(backend);
    expect(wrapped.actualBackend.constructor).toBe(plain.actualBackend.constructor);
    const heard: unknown[] = [];
    wrapped.subscribe(null, ({ type, key }) => heard.push([type, key]));
    wrapped.sync.set('k', 1);
    expect(heard).toEqual([['set', 'k']]);
  });

  test('70: passes through: the mutex and the mangler of the driver', async () => {
    class Special extends MemoryBackend {
      override readonly keyMangler = (key: string): string => key.toUpperCase();
      override getMutex(): CacheMutex {
        return { acquire: () => true, release: () => true, locked: () => true };
      }
    }
    const driver = new Special();
    const region = createRegion({ name: 'users' }).configure(driver, { wrap: [Seeing] });
    await region.set('ada', 1);
    expect([...driver.keys('')]).toEqual(['USERS:ADA']);
    expect(region.backend.keyMangler).toBe(driver.keyMangler);
    expect(await region.keyIsLocked('ada')).toBe(true);
  });

  test('79: supports() and CapabilityError see through proxies', async () => {
    const region = createRegion().configure(new BareBackend(), { wrap: [Seeing] });
    expect(region.supports('sync')).toBe(false);
    expect((await failureOf(() => region.sync)).code).toBe('ERR_STOCKPILE_CAPABILITY');
    expect((await failureOf(() => region.increment('k'))).message).toContain("'bare'");
    class Claiming extends ProxyBackend {
      override get capabilities(): ReadonlySet<Capability> {
        return new Set<Capability>([...this.proxied.capabilities, 'clear']);
      }
    }
    expect(
      createRegion()
        .configure(new BareBackend(), { wrap: [Claiming] })
        .supports('clear'),
    ).toBe(true);
  });
});

describe('wrap', () => {
  test('72: a class is made anew for every region, an instance keeps its state for one', async () => {
    const regions = [1, 2].map(() => createRegion().configure('memory', { wrap: [Seeing] }));
    await regions[0]?.set('k', 1);
    expect(regions.map((region) => (region.backend as Seeing).seen.length)).toEqual([1, 0]);
    const proxy = new Seeing();
    createRegion().configure('memory', { wrap: [proxy] });
    const second = createRegion();
    expect(() => second.configure('memory', { wrap: [proxy] })).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining('Seeing') }),
    );
    expect(second.isConfigured).toBe(false);
  });

  test('72: wrap() puts a proxy around all layers of a configured region, sync included', async () => {
    const region = createRegion().configure('memory-pickle', { wrap: [Deleting] });
    await region.set('before', 1);
    const { sync } = region;
    const proxy = new Seeing();
    expect(region.wrap(proxy)).toBe(region);
    expect(region.backend).toBe(proxy);
    expect(proxy.proxied).toBeInstanceOf(Deleting);
    expect(await region.get('before')).toBe(1);
    expect(sync.get('before')).toBe(1);
    expect(proxy.seen).toHaveLength(2);
    expect(region.actualBackend.constructor.name).toBe('MemoryPickleBackend');
  });

  test.each([
    [{}],
    [null],
    [undefined],
    ['Seeing'],
    [() => new Seeing()],
    [class Other {}],
    [new MemoryBackend()],
    [MemoryBackend],
    [NO_VALUE],
  ])('72: %p is no proxy', (candidate) => {
    const region: Region = createRegion();
    const wrong = candidate as unknown as ProxyLike;
    const refusal = expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' });
    expect(() => region.configure('memory', { wrap: [wrong] })).toThrow(refusal);
    expect(region.isConfigured).toBe(false);
    region.configure('memory');
    const before = region.backend;
    expect(() => region.wrap(wrong)).toThrow(refusal);
    expect(region.backend).toBe(before);
  });

  test('72: a proxy used before it wraps anything says so', () => {
    expect(() => new Seeing().get('k')).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining('Seeing') }),
    );
    expect(() => createRegion().configure(new ProxyBackend())).toThrow();
  });
});
