/** Choosing a backend: by name, by instance, again, and in vain. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import { MemoryPickleBackend } from '@stockpile/backend-memory-pickle';
import {
  type BackendContext,
  type ConfigureOptions,
  createRegion,
  hashMangler,
  NO_VALUE,
  ProxyBackend,
  type Region,
  type RegionOptions,
  registerBackend,
} from '@stockpile/core';
import { FACES, failureOf, regionOn, TestClock } from './fixtures.js';

const VALIDATION = expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' });

/** A region of the name 'users', configured, with one entry. */
async function configured(options: ConfigureOptions = {}): Promise<Region> {
  const region = createRegion({ name: 'users' }).configure('memory', options);
  await region.set('ada', 1);
  return region;
}

describe('createRegion', () => {
  test('1: the region has its name, and no backend until configure', () => {
    const region = createRegion({ name: 'users' });
    expect(region.name).toBe('users');
    expect(region.isConfigured).toBe(false);
    expect(region.configure('memory')).toBe(region);
    expect(region.isConfigured).toBe(true);
  });

  test('1: the name is default where none is given', () => {
    expect(createRegion().name).toBe('default');
  });

  test.each<[string, unknown]>([
    ['name', 5],
    ['name', '\ud800'],
    ['namespace', null],
    ['namespace', '\udc00'],
    ['clock', {}],
    ['clock', null],
    ['serializer', {}],
    ['serializer', { serialize: () => new Uint8Array() }],
    ['serializer', { deserialize: () => 1 }],
  ])('%s %p is refused', (option, value) => {
    expect(() => createRegion({ [option]: value } as RegionOptions)).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining(option) }),
    );
  });
});

describe('configure', () => {
  test('by instance uses that very backend', async () => {
    const backend = new MemoryBackend();
    const region = createRegion().configure(backend);
    expect(region.backend).toBe(backend);
    expect(region.actualBackend).toBe(backend);
    await region.set('k', 'v');
    expect(await region.get('k')).toBe('v');
  });

  test('of bytes wraps the backend, and actualBackend is the driver', () => {
    const driver = new MemoryPickleBackend();
    const region = createRegion().configure(driver);
    expect(region.actualBackend).toBe(driver);
    expect(region.backend).not.toBe(driver);
    expect(region.backend.name).toBe('memory-pickle');
  });

  test('hands the factory its arguments, the clock, the timeout and the name of the region', () => {
    const factory = jest.fn((_args: object, _context: BackendContext) => new MemoryBackend());
    registerBackend('test-factory', factory);
    const clock = new TestClock();
    const region = createRegion({ name: 'users', clock });
    region.configure('test-factory', { timeout: '3s', arguments: { url: 'x' } });
    expect(factory).toHaveBeenCalledTimes(1);
    const report = expect.any(Function);
    expect(factory).toHaveBeenCalledWith({ url: 'x' }, { clock, timeout: 3000, region: 'users', report });
    factory.mock.calls[0]?.[1].report?.('subscribe', new Error('lost'));
    expect(region.stats().errors).toBe(1);
  });

  test('10: the arguments object is not modified, and unknown arguments are ignored', () => {
    registerBackend('test-greedy', (args) => {
      (args as Record<string, unknown>).added = true;
      delete (args as Record<string, unknown>).url;
      return new MemoryBackend();
    });
    const given = Object.freeze({ url: 'x' });
    createRegion().configure('test-greedy', { arguments: given });
    expect(given).toEqual({ url: 'x' });
    const unknown = { cacheMap: new Map(), colour: 'blue' };
    expect(createRegion().configure('memory', { arguments: unknown }).isConfigured).toBe(true);
    expect(Object.keys(unknown)).toEqual(['cacheMap', 'colour']);
  });

  test.each([[undefined], [null], [5], [true], [() => {}], [{}], [{ get() {}, set() {} }], [new Map()]])(
    '1: %p is no backend',
    (backend) => {
      const region = createRegion();
      expect(() => region.configure(backend as unknown as string)).toThrow(VALIDATION);
      expect(region.isConfigured).toBe(false);
    },
  );

  test('1: a driver without a Set of capabilities is refused', () => {
    const region = createRegion();
    const backend = new MemoryBackend();
    Object.defineProperty(backend, 'capabilities', { value: ['sync'] });
    expect(() => region.configure(backend)).toThrow(VALIDATION);
    expect(region.isConfigured).toBe(false);
  });

  test('7: an unknown name is told with what is registered and how to install it; the region stays unconfigured', () => {
    const region = createRegion();
    expect(() => region.configure('rediss')).toThrow(
      expect.objectContaining({
        code: 'ERR_STOCKPILE_UNKNOWN_BACKEND',
        message: expect.stringMatching(
          /"rediss".*registered: .*lru.*memory, memory-pickle, null.*npm install @stockpile\/backend-rediss$/,
        ),
      }),
    );
    expect(region.isConfigured).toBe(false);
    expect(region.configure('memory').isConfigured).toBe(true);
  });

  test('7: a name that is a path is unknown, and no install command is made of it', () => {
    for (const name of ['../evil', '/etc/passwd', './x', 'a/b', 'Memory', '']) {
      let message = '';
      try {
        createRegion().configure(name);
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toContain('registered: ');
      expect(message).not.toContain('npm install');
    }
  });
});

describe('a configure that fails leaves the region as it was', () => {
  const WRONG: readonly [string, string | object, ConfigureOptions][] = [
    ['an unknown backend', 'nosuch', {}],
    ['a wrong duration', 'memory', { expirationTime: -1 }],
    ['a wrong argument', 'lru', { arguments: { maxItems: -1 } }],
    ['a wrong choice', 'memory', { stale: 'never' as 'wait' }],
    ['no array of proxies', 'memory', { wrap: ProxyBackend as unknown as [] }],
    ['something that is no proxy', 'memory', { wrap: [{} as ProxyBackend] }],
    ['tags that are no array', 'memory', { tags: 'all' } as ConfigureOptions],
    ['a wrong beta', 'memory', { earlyRefresh: { beta: 0 } }],
  ];

  test.each(WRONG)('1: %s, not configured before', async (_name, backend, options) => {
    const region = createRegion();
    expect(() => region.configure(backend, options)).toThrow();
    expect(region.isConfigured).toBe(false);
    expect((await failureOf(() => region.get('k'))).code).toBe('ERR_STOCKPILE_REGION_NOT_CONFIGURED');
  });

  test.each(WRONG)('5: %s, while replacing', async (_name, backend, options) => {
    const region = await configured();
    const before = region.backend;
    expect(() => region.configure(backend, { ...options, replaceExistingBackend: true })).toThrow();
    expect(region.backend).toBe(before);
    expect(await region.get('ada')).toBe(1);
    expect(region.sync.get('ada')).toBe(1);
  });

  test('1: a factory that throws', () => {
    registerBackend('test-throwing', () => {
      throw new Error('no disk');
    });
    const region = createRegion();
    expect(() => region.configure('test-throwing')).toThrow('no disk');
    expect(region.isConfigured).toBe(false);
  });

  test('1: a proxy that the failed configure was given can be used in the next', () => {
    const proxy = new ProxyBackend();
    const region = createRegion();
    expect(() => region.configure('memory', { wrap: [{} as ProxyBackend, proxy] })).toThrow(VALIDATION);
    expect(region.configure('memory', { wrap: [proxy] }).backend).toBe(proxy);
  });

  test.each<[string, RegionOptions, ConfigureOptions]>([
    ['a mangler that is no function', { keyMangler: 'sha1' as unknown as () => string }, {}],
    ['an invalidator without check', {}, { regionInvalidator: {} } as ConfigureOptions],
    ['shouldCache that is no function', {}, { shouldCache: 'yes' } as unknown as ConfigureOptions],
  ])('1: %s is refused when it is given, not at the first read', (_name, regionOptions, options) => {
    expect(() => createRegion(regionOptions).configure('memory', options)).toThrow(VALIDATION);
  });
});

describe('configuring again', () => {
  test('5: is refused, names the backend and the way out, and the first configuration stays', async () => {
    const region = await configured();
    expect(() => region.configure('lru')).toThrow(
      expect.objectContaining({
        code: 'ERR_STOCKPILE_REGION_ALREADY_CONFIGURED',
        region: 'users',
        message: expect.stringMatching(/'users'.*'memory'.*replaceExistingBackend/),
      }),
    );
    expect(region.backend.name).toBe('memory');
    expect(await region.get('ada')).toBe(1);
  });

  test('5: with replaceExistingBackend the new backend is used, also by a region.sync taken before', async () => {
    const region = await configured();
    const { sync } = region;
    region.configure('memory-pickle', { replaceExistingBackend: true });
    expect(region.backend.name).toBe('memory-pickle');
    expect(region.actualBackend).toBeInstanceOf(MemoryPickleBackend);
    expect(await region.get('ada')).toBe(NO_VALUE);
    await region.set('ada', 2);
    expect(sync.get('ada')).toBe(2);
    expect(region.supports('counters')).toBe(true);
  });

  test('5: mangler and locks of the backend are those of the new one', async () => {
    const mangling = (suffix: string): MemoryBackend =>
      Object.defineProperty(new MemoryBackend(), 'keyMangler', { value: (key: string) => `${key}${suffix}` });
    const [first, second] = [mangling('.1'), mangling('.2')];
    const region = createRegion({ name: 'users' }).configure(first);
    await region.set('ada', 1);
    region.configure(second, { replaceExistingBackend: true });
    await region.set('ada', 2);
    expect([...first.keys('')]).toEqual(['users:ada.1']);
    expect([...second.keys('')]).toEqual(['users:ada.2']);
    const lock = { acquire: () => true, release: () => true, locked: () => true };
    const locking = Object.defineProperty(new MemoryBackend(), 'getMutex', { value: () => lock });
    region.configure(locking, { replaceExistingBackend: true });
    expect(await region.keyIsLocked('ada')).toBe(true);
    region.configure('memory', { replaceExistingBackend: true });
    expect(await region.keyIsLocked('ada')).toBe(false);
  });

  test('5: the mangler of the user remains', async () => {
    const cacheMap = new Map();
    const region = createRegion({ name: 'users', keyMangler: hashMangler }).configure('lru');
    region.configure('memory', { replaceExistingBackend: true, arguments: { cacheMap } });
    await region.set('ada', 1);
    expect([...cacheMap.keys()]).toEqual([`users:${hashMangler('ada')}`]);
  });

  test('5: past invalidations remain, of the whole region and by tag', async () => {
    const clock = new TestClock();
    const backend = new MemoryBackend({ clock });
    const region = createRegion({ clock }).configure(backend);
    await region.set('tagged', 1, { tags: ['t'] });
    await region.set('soft', 2);
    await region.invalidate({ tags: ['t'] });
    await region.invalidate({ hard: false });
    region.configure(backend, { replaceExistingBackend: true });
    expect(await region.getEntry('tagged')).toBe(NO_VALUE);
    expect(await region.getEntry('soft')).toMatchObject({ value: 2, stale: true });
  });

  test('5: the backend that configure made is closed when it is replaced, one handed in is not', () => {
    const made = new MemoryBackend();
    const closeMade = jest.spyOn(made, 'close');
    registerBackend('test-owned', () => made);
    createRegion().configure('test-owned').configure('memory', { replaceExistingBackend: true });
    expect(closeMade).toHaveBeenCalledTimes(1);
    const given = new MemoryBackend();
    const closeGiven = jest.spyOn(given, 'close');
    createRegion().configure(given).configure('memory', { replaceExistingBackend: true });
    expect(closeGiven).not.toHaveBeenCalled();
  });
});

describe('before configure', () => {
  const region = createRegion({ name: 'users' });
  const load = region.cacheFunction((id: number) => id, { name: 'load' });
  const loadMany = region.cacheMultiFunction((ids: readonly number[]) => [...ids], { name: 'loadMany' });
  const create = (): number => 1;

  test.each<[string, () => unknown]>([
    ['get', () => region.get('k')],
    ['getEntry', () => region.getEntry('k')],
    ['getMulti', () => region.getMulti(['k'])],
    ['set', () => region.set('k', 1)],
    ['setMulti', () => region.setMulti({ k: 1 })],
    ['delete', () => region.delete('k')],
    ['deleteMulti', () => region.deleteMulti(['k'])],
    ['getOrCreate', () => region.getOrCreate('k', create)],
    ['getOrCreateMulti', () => region.getOrCreateMulti(['k'], () => [1])],
    ['refresh', () => region.refresh('k', create)],
    ['invalidate', () => region.invalidate()],
    ['keyIsLocked', () => region.keyIsLocked('k')],
    ['increment', () => region.increment('k')],
    ['decrement', () => region.decrement('k')],
    ['keys', () => region.keys().next()],
    ['entries', () => region.entries().next()],
    ['size', () => region.size()],
    ['clear', () => region.clear()],
    ['subscribe', () => region.subscribe(null, () => {})],
    ['waitFor', () => region.waitFor('k')],
    ['supports', () => region.supports('ttl')],
    ['sync', () => region.sync],
    ['backend', () => region.backend],
    ['actualBackend', () => region.actualBackend],
    ['wrap', () => region.wrap(ProxyBackend)],
    ['a cached function', () => load(1)],
    ['.get of one', () => load.get(1)],
    ['.set of one', () => load.set(1, 1)],
    ['.delete of one', () => load.delete(1)],
    ['.refresh of one', () => load.refresh(1)],
    ['a cached multi function', () => loadMany([1])],
    ['.get of one of many', () => loadMany.get([1])],
  ])('6: %s says that the region is not configured', async (_name, work) => {
    const error = await failureOf(work);
    expect(error.code).toBe('ERR_STOCKPILE_REGION_NOT_CONFIGURED');
    expect(error.region).toBe('users');
    expect(error.message).toContain('configure');
  });

  test('6: stats, cacheFunction and key work all the same', () => {
    expect(region.stats().hits).toBe(0);
    expect(load.key(1)).toBe('load(1)');
  });
});

test.each(FACES)('%s: two regions of one backend object share its storage by namespace', async (_face, of) => {
  const backend = new MemoryBackend();
  const { region: first } = regionOn(backend, {}, { name: 'one', namespace: 'shared' });
  const { region: second } = regionOn(backend, {}, { name: 'two', namespace: 'shared' });
  await of(first).set('k', 'v');
  expect(await of(second).get('k')).toBe('v');
});

test('5: an old backend whose close throws does not keep the new one from being used', async () => {
  class Stuck extends MemoryBackend {
    override close(): never {
      throw new Error('stuck');
    }
  }
  registerBackend('test-stuck', () => new Stuck());
  const region = createRegion().configure('test-stuck');
  const backend = new MemoryBackend();
  region.configure(backend, { replaceExistingBackend: true });
  expect(region.backend).toBe(backend);
});
