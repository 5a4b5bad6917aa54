/** configureFromConfig: the backend chosen by flat text. */

import { describe, expect, jest, test } from '@jest/globals';
import { MemoryBackend } from '@stockpile/backend-memory';
import {
  type BackendContext,
  createRegion,
  NO_VALUE,
  ProxyBackend,
  type Region,
  registerBackend,
} from '@stockpile/core';
import fc from 'fast-check';
import { TestClock } from './fixtures.js';

const factory = jest.fn((_args: object, _context: BackendContext) => new MemoryBackend());
registerBackend('test-flat', factory);

/** What the driver gets for `arguments.*`. */
function argumentsFor(config: Record<string, unknown>): unknown {
  createRegion().configureFromConfig({ 'cache.backend': 'test-flat', ...config }, 'cache.');
  return factory.mock.lastCall?.[0];
}

describe('the prefix', () => {
  test.each(['cache', 'cache.'])(
    '2: %j finds its keys, and only arguments.* reach the driver, un-prefixed',
    (prefix) => {
      const region = createRegion().configureFromConfig(
        {
          'cache.backend': 'test-flat',
          'cache.expirationTime': '10m',
          'cache.arguments.url': 'redis://host',
          'cache.arguments.tls.servername': 'host',
          'cache.users.backend': 'nosuch',
          'cache.users.arguments.url': 'other',
          'cacheX.arguments.url': 'other',
          'arguments.url': 'other',
          backend: 'nosuch',
        },
        prefix,
      );
      expect(region.isConfigured).toBe(true);
      expect(factory.mock.lastCall?.[0]).toEqual({ url: 'redis://host', 'tls.servername': 'host' });
    },
  );

  test('2: a longer prefix may live beside a shorter one', () => {
    const config = { 'cache.backend': 'null', 'cache.users.backend': 'memory' };
    expect(createRegion().configureFromConfig(config, 'cache').backend.name).toBe('null');
    expect(createRegion().configureFromConfig(config, 'cache.users').backend.name).toBe('memory');
  });

  test('2: without a prefix the keys stand alone', () => {
    expect(createRegion().configureFromConfig({ backend: 'lru', 'arguments.maxItems': '5' }).backend.name).toBe('lru');
  });

  test.each([[{}], [{ 'cache.backend': '' }], [{ 'cache.backend': undefined }], [{ backend: 'memory' }]])(
    '2: %j lacks cache.backend, and the error names it',
    (config) => {
      const region = createRegion();
      for (const prefix of ['cache', 'cache.']) {
        expect(() => region.configureFromConfig(config, prefix)).toThrow(
          expect.objectContaining({
            code: 'ERR_STOCKPILE_VALIDATION',
            message: expect.stringContaining("'cache.backend'"),
          }),
        );
      }
      expect(region.isConfigured).toBe(false);
    },
  );

  test('10: the configuration is not modified', () => {
    const config = Object.freeze({ 'cache.backend': 'test-flat', 'cache.arguments.n': '5', 'cache.grace': '5' });
    createRegion().configureFromConfig(config, 'cache');
    expect(config).toEqual({ 'cache.backend': 'test-flat', 'cache.arguments.n': '5', 'cache.grace': '5' });
  });
});

describe('text in arguments.*', () => {
  test.each<[string, unknown]>([
    ['600', 600],
    ['0', 0],
    ['-0.5', -0.5],
    ['-7', -7],
    ['1.25', 1.25],
    ['9007199254740991', 9007199254740991],
    ['True', true],
    ['true', true],
    ['False', false],
    ['false', false],
    ['FALSE', false],
  ])('3: %j is %p', (text, value) => {
    expect(argumentsFor({ 'cache.arguments.x': text })).toStrictEqual({ x: value });
  });

  test.each(['None', 'null'])('3: %j is not given at all', (text) => {
    expect(Object.keys(argumentsFor({ 'cache.arguments.x': text }) as object)).toEqual([]);
  });

  test.each([
    '007',
    '+1',
    '1e999',
    '1e21',
    '9007199254740992',
    '9007199254740993',
    '-9007199254740993',
    '12345678901234567890',
    '0x10',
    '0b1',
    '1.0',
    '1.50',
    '.5',
    '5.',
    '-0',
    ' 5',
    '5 ',
    '1_000',
    '',
    ' ',
    'Infinity',
    'NaN',
    'undefined',
    'yes',
    'hunter2',
  ])('3: %j stays text', (text) => {
    expect(argumentsFor({ 'cache.arguments.x': text })).toStrictEqual({ x: text });
  });

  test('3: a number is read only where it prints back as the same text', () => {
    const text = fc.oneof(
      fc.string(),
      fc.double().map(String),
      fc.bigInt().map(String),
      fc.stringMatching(/^[-+0-9.e]+$/),
    );
    fc.assert(
      fc.property(text, (x) => {
        const { x: read } = argumentsFor({ 'cache.arguments.x': x }) as { x?: unknown };
        if (typeof read === 'number') expect(String(read)).toBe(x);
        else if (typeof read === 'string') expect(read).toBe(x);
        else expect(x).toMatch(/^(true|false|none|null)$/i);
      }),
    );
  });

  test('values that are no texts pass untouched', () => {
    const map = new Map();
    const given = argumentsFor({ 'cache.arguments.m': map, 'cache.arguments.n': 7n, 'cache.arguments.z': null });
    expect(given).toEqual({ m: map, n: 7n, z: null });
    expect((given as { m: unknown }).m).toBe(map);
  });
});

describe('options', () => {
  function from(config: Record<string, unknown>): { region: Region; clock: TestClock } {
    const clock = new TestClock();
    return { clock, region: createRegion({ clock }).configureFromConfig({ 'c.backend': 'memory', ...config }, 'c') };
  }

  test("4: '600' is 600 ms, '10m' ten minutes", async () => {
    for (const [text, ms] of [
      ['600', 600],
      ['0.5s', 500],
      ['10m', 600_000],
    ] as const) {
      const { region, clock } = from({ 'c.expirationTime': text });
      await region.set('k', 1);
      clock.time += ms - 1;
      expect(await region.get('k')).toBe(1);
      clock.time += 1;
      expect(await region.get('k')).toBe(NO_VALUE);
    }
  });

  test("4: 'Infinity' is accepted and never expires", async () => {
    const { region, clock } = from({ 'c.expirationTime': 'Infinity' });
    await region.set('k', 1);
    clock.time += 1e12;
    expect(await region.get('k')).toBe(1);
  });

  test.each(['-1', 'NaN', 'True', 'null', '', 'one hour', '10 parsecs', '-Infinity', '1e3', '+5'])(
    '4: %j is no duration',
    (text) => {
      for (const name of ['expirationTime', 'grace', 'timeout', 'lockTimeout', 'errorTtl', 'creatorTimeout']) {
        expect(() => from({ [`c.${name}`]: text })).toThrow(
          expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining(name) }),
        );
      }
    },
  );

  test('grace is read', async () => {
    const { region, clock } = from({ 'c.expirationTime': '100', 'c.grace': '50' });
    await region.set('k', 1);
    clock.time += 149;
    expect(await region.getEntry('k')).toMatchObject({ stale: true });
    clock.time += 1;
    expect(await region.get('k', { ignoreExpiration: true })).toBe(NO_VALUE);
  });

  test('booleans are read as such, and other text is refused', async () => {
    const { region, clock } = from({ 'c.background': 'True', 'c.expirationTime': '100', 'c.grace': '1h' });
    await region.set('k', 'old');
    clock.time += 100;
    expect(await region.getOrCreate('k', () => 'new')).toBe('old');
    expect(() => from({ 'c.failOpen': 'yes' })).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION', message: expect.stringContaining('c.failOpen') }),
    );
    expect(() => region.configureFromConfig({ 'c.backend': 'lru', 'c.replaceExistingBackend': 'false' }, 'c')).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_REGION_ALREADY_CONFIGURED' }),
    );
    region.configureFromConfig({ 'c.backend': 'lru', 'c.replaceExistingBackend': 'true' }, 'c');
    expect(region.backend.name).toBe('lru');
  });

  test("serveStaleOnError is 'true' or a duration", async () => {
    for (const text of ['true', '2s', '2000']) {
      const { region, clock } = from({ 'c.serveStaleOnError': text, 'c.expirationTime': '100', 'c.grace': '1h' });
      await region.set('k', 'old');
      clock.time += 100;
      const fail = (): never => {
        throw new Error('down');
      };
      expect(await region.getOrCreate('k', fail)).toBe('old');
    }
    expect(() => from({ 'c.serveStaleOnError': 'perhaps' })).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
    );
  });

  test('choices are checked', () => {
    expect(() => from({ 'c.stale': 'never' })).toThrow(expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }));
    expect(() => from({ 'c.onLockTimeout': 'wait' })).toThrow(
      expect.objectContaining({ code: 'ERR_STOCKPILE_VALIDATION' }),
    );
    expect(from({ 'c.stale': 'wait', 'c.onLockTimeout': 'throw' }).region.isConfigured).toBe(true);
  });

  test('objects pass untouched: proxies, an invalidator, shouldCache', async () => {
    const proxy = new ProxyBackend();
    const refused = jest.fn((value: unknown, _key: string) => value !== 'bad');
    const seen: string[] = [];
    const { region } = from({
      'c.wrap': [proxy],
      'c.shouldCache': refused,
      'c.regionInvalidator': {
        invalidate() {},
        check: ({ key }: { key: string }) => {
          seen.push(key);
          return 'valid';
        },
      },
    });
    expect(region.backend).toBe(proxy);
    await region.getOrCreate('k', () => 'bad');
    expect(refused).toHaveBeenCalledWith('bad', 'k');
    expect(await region.get('k')).toBe(NO_VALUE);
    await region.set('k', 'good');
    expect(await region.get('k')).toBe('good');
    expect(seen).toContain('k');
  });
});
