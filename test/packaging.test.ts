/** What users install: every package as a tarball, in an empty folder, on every line of Node.js and in TypeScript. */

import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type RunningServer, startMemcached, startRedis } from '@stockpile/servers';
import { type Outcome, pack, publicPackages, ROOT, run } from '../scripts/packages.js';
import { NODE_VERSIONS, nodeBinary } from './node-binaries.js';

const MINUTE = 60_000;
const CONSUMERS = join(ROOT, 'test/consumers');
/** Silent success: an application sees no output of ours, and no warning of Node.js on account of us. */
const SUCCESS = { status: 0, stdout: '', stderr: '' };

/** What the packages depend on, with what those depend on. */
const LIBRARIES = [
  ...['@ioredis', 'cluster-key-slot', 'debug', 'denque', 'ioredis', 'lru-cache', 'memjs', 'ms', 'redis-errors'],
  'standard-as-callback',
];

/** Where @stockpile/backend-shm has a native part. */
const NATIVE = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'stockpile-packaging-')));
const app = join(folder, 'app');
let redis: RunningServer;
let memcached: RunningServer;

beforeAll(async () => {
  [redis, memcached] = await Promise.all([startRedis(), startMemcached()]);
  const tarballs: string[] = [];
  for (const one of publicPackages()) tarballs.push(await pack(one, join(folder, 'tarballs')));
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true }));
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  const installed = await run('npm', ['install', ...options, ...tarballs], app);
  if (installed.status !== 0) {
    throw new Error(
      `the tarballs, and their libraries from the registry, cannot be installed. npm says:\n${installed.stderr}`,
    );
  }
  for (const file of readdirSync(CONSUMERS)) {
    const place = file === 'stockpile-backend-foo' ? join(app, 'node_modules') : app;
    cpSync(join(CONSUMERS, file), join(place, file), { recursive: true });
  }
}, 5 * MINUTE);

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await Promise.all([redis?.stop(), memcached?.stop()]);
});

test('an installation brings the packages, the libraries of their fields, and nothing else', () => {
  const installed = readdirSync(join(app, 'node_modules')).filter((name) => !name.startsWith('.'));
  expect(installed.sort()).toEqual(['@stockpile', 'stockpile-backend-foo', ...LIBRARIES].sort());
  const ours = readdirSync(join(app, 'node_modules/@stockpile')).map((name) => `@stockpile/${name}`);
  expect(ours.sort()).toEqual(publicPackages().map(({ manifest }) => manifest.name));
});

describe.each(['that runs the tests', ...NODE_VERSIONS])('Node.js %s', (version) => {
  const isRunning = !NODE_VERSIONS.includes(version);
  const node = async (args: readonly string[], cwd = app): Promise<Outcome> =>
    run(isRunning ? process.execPath : await nodeBinary(version), args, cwd);

  test(
    'is the version that it should be',
    async () => {
      const { stdout } = await node(['--version']);
      expect(stdout.trim()).toBe(isRunning ? process.version : `v${version}`);
    },
    10 * MINUTE,
  );

  test(
    'imports the packages',
    async () => {
      expect(await node(['module.mjs'])).toEqual(SUCCESS);
    },
    MINUTE,
  );

  test(
    'requires the packages',
    async () => {
      expect(await node(['commonjs.cjs'])).toEqual(SUCCESS);
    },
    MINUTE,
  );

  test(
    'finds installed backends by name, seen from the main module',
    async () => {
      expect(await node([join(app, 'by-name.mjs')], folder)).toEqual(SUCCESS);
      expect(await node([join(app, 'by-name.cjs')], folder)).toEqual(SUCCESS);
    },
    MINUTE,
  );

  test(
    'finds installed backends by name, seen from the working directory',
    async () => {
      const code = `require('@stockpile/core').createRegion().configure('lru').sync.set('key', 1)`;
      expect(await node(['--eval', code])).toEqual(SUCCESS);
    },
    MINUTE,
  );

  // elsewhere the package is installed too, and its absence is tested with its sources
  (NATIVE ? test : test.skip).each([
    'in a worker alone',
    'after a terminated worker',
    'in several threads',
    'in two copies of the package',
  ])(
    'loads the native part %s',
    async (scene) => {
      expect(await node(['native.mjs', scene])).toEqual(SUCCESS);
    },
    MINUTE,
  );

  (NATIVE ? test : test.skip)(
    'shares a segment, found by name, between a module and a process in CommonJS',
    async () => {
      expect(await node([join(app, 'shm.mjs')], folder)).toEqual(SUCCESS);
    },
    MINUTE,
  );

  test(
    'reaches servers, chosen by name',
    async () => {
      const url = `redis+unix://${redis.path}`;
      expect(await node([join(app, 'servers.mjs'), 'redis', url], folder)).toEqual(SUCCESS);
      expect(await node([join(app, 'servers.mjs'), 'memcached', `127.0.0.1:${memcached.port}`], folder)).toEqual(
        SUCCESS,
      );
    },
    MINUTE,
  );

  test(
    'runs the conformance suite under node:test',
    async () => {
      const { status, stdout, stderr } = await node(['--test-reporter=tap', 'conformance.mjs']);
      const failed = [...stdout.matchAll(/^ *not ok .*$/gm)].map(String);
      // the suite makes listeners throw, and the driver says so; Node.js itself has nothing to warn of
      const warnings = [...stderr.matchAll(/^\(node:\d+\) (\w+)/gm)].map(([, kind]) => kind);
      expect({ status, failed, warnings: warnings.filter((kind) => kind !== 'StockpileWarning') }).toEqual({
        status: 0,
        failed: [],
        warnings: [],
      });
      expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(50);
    },
    MINUTE,
  );
});

describe('TypeScript', () => {
  const check = async (files: readonly string[], compilerOptions: Record<string, unknown>): Promise<Outcome> => {
    const project = join(app, `tsconfig.${Object.values(compilerOptions).join('-')}-${files[0]}.json`);
    const strict = { strict: true, noEmit: true, skipLibCheck: false, target: 'es2022' };
    const node = { types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] };
    writeFileSync(project, JSON.stringify({ compilerOptions: { ...strict, ...node, ...compilerOptions }, files }));
    return run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project], app);
  };

  describe.each([
    { module: 'nodenext', moduleResolution: 'nodenext' },
    { module: 'preserve', moduleResolution: 'bundler' },
    { module: 'nodenext', moduleResolution: 'nodenext', exactOptionalPropertyTypes: true },
  ])('with %j', (options) => {
    test(
      'types the regions, and the arguments of backends by name',
      async () => {
        expect(await check(['typed.mts'], options)).toEqual(SUCCESS);
      },
      MINUTE,
    );

    test(
      'leaves the arguments of a backend that is not imported free',
      async () => {
        expect(await check(['typed-by-name.mts'], options)).toEqual(SUCCESS);
      },
      MINUTE,
    );

    test(
      'reaches CommonJS',
      async () => {
        expect(await check(['typed-commonjs.cts'], options)).toEqual(SUCCESS);
      },
      MINUTE,
    );
  });
});
