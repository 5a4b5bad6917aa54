import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { StockpileError } from '@stockpile/core';
import { ROOT, run } from '../../../scripts/packages.js';
import { UnsupportedPlatformError } from '../src/errors.js';
import { loadNative, type Target } from '../src/load-native.js';

const onSupported = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch) ? describe : describe.skip;

function failure(target: Target): UnsupportedPlatformError {
  try {
    loadNative(target);
  } catch (error) {
    if (error instanceof UnsupportedPlatformError) return error;
    throw error;
  }
  throw new Error('it was loaded');
}

test.each([
  { platform: 'darwin', arch: 'arm64', libc: 'none' },
  { platform: 'win32', arch: 'x64', libc: 'none' },
  { platform: 'linux', arch: 's390x', libc: 'glibc' },
])('is refused on $platform $arch, with a word on what to use instead', (target) => {
  const error = failure(target);
  expect(error).toBeInstanceOf(StockpileError);
  expect(error.name).toBe('UnsupportedPlatformError');
  expect(error.code).toBe('ERR_STOCKPILE_SHM_UNSUPPORTED');
  expect(error.cause).toBeUndefined();
  expect(error.message).toContain(`platform ${target.platform}, cpu ${target.arch}, libc ${target.libc}`);
  expect(error.message).toMatch(/'lru'.*in this process.*with a server.*'redis'/);
  expect(error.message).not.toMatch(/looked for|external/); // there is none to be found
  expect(error.message).not.toContain('npm run build'); // it would be of no use
});

test('the remedy in a checkout is to build it', () => {
  const { message } = failure({ platform: 'linux', arch: 'x64', libc: 'none' });
  expect(message).toContain("in this checkout, 'npm run build' makes it; ");
});

onSupported('on this platform', () => {
  test('is loaded once', () => {
    const native = loadNative();
    expect(native.open).toEqual(expect.any(Function));
    expect(native.unlink).toEqual(expect.any(Function));
    expect(loadNative()).toBe(native);
  });

  test('looking for the C library leaves the reports of the application as they were', async () => {
    const url = JSON.stringify(pathToFileURL(join(ROOT, 'packages/backend-shm/dist/load-native.js')));
    for (const before of [true, false]) {
      const code = `process.report.excludeNetwork = ${before};
        (await import(${url})).loadNative();
        if (process.report.excludeNetwork !== ${before}) throw new Error('it was changed');`;
      const outcome = await run(process.execPath, ['--input-type=module', '--eval', code], ROOT);
      expect(outcome).toEqual({ status: 0, stdout: '', stderr: '' });
    }
  });
});

describe('an installed copy', () => {
  const target = { platform: 'linux', arch: 'x64', libc: 'musl' };
  let folder: string;
  let installed: string;

  /** What `loadNative(target)` of the copy gives: its result, or its error without the stack. */
  const load = async (): Promise<{ loaded?: unknown; message?: string; code?: string; cause?: string }> => {
    const code = `const { loadNative } = await import(${JSON.stringify(pathToFileURL(join(installed, 'dist/load-native.js')))});
      let told;
      try {
        told = { loaded: loadNative(${JSON.stringify(target)}) };
      } catch ({ message, code, cause }) {
        told = { message, code, cause: cause?.message };
      }
      process.stdout.write(JSON.stringify(told));`;
    const { status, stdout, stderr } = await run(process.execPath, ['--input-type=module', '--eval', code], folder);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return JSON.parse(stdout);
  };

  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'stockpile-load-native-')));
    const scope = join(folder, 'node_modules/@stockpile');
    installed = join(scope, 'backend-shm');
    mkdirSync(scope, { recursive: true });
    symlinkSync(join(ROOT, 'packages/core'), join(scope, 'core'));
    for (const part of ['package.json', 'dist']) {
      cpSync(join(ROOT, 'packages/backend-shm', part), join(installed, part), { recursive: true });
    }
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('without its native part says so when it is needed, and does not speak of building', async () => {
    const { message, code } = await load();
    expect(code).toBe('ERR_STOCKPILE_SHM_UNSUPPORTED');
    const place = join(installed, 'prebuilds/linux-x64/musl.node');
    expect(message).toContain(`no native part for platform linux, cpu x64, libc musl (looked for ${place}); `);
    expect(message).toMatch(/bundle.*"external".*'lru'/);
    expect(message).not.toContain('npm run build');
  });

  test('tells why the system refuses the file', async () => {
    const place = join(installed, 'prebuilds/linux-x64/musl.node');
    mkdirSync(join(place, '..'), { recursive: true });
    writeFileSync(place, 'not a library');
    const { message, code, cause } = await load();
    expect(code).toBe('ERR_STOCKPILE_SHM_UNSUPPORTED');
    expect(cause).toContain('musl.node');
    expect(message).toContain(`does not load here: ${cause}; take the backend 'lru'`);
  });

  test('prefers the package of the platform', async () => {
    const other = join(folder, 'node_modules/@stockpile/backend-shm-linux-x64-musl');
    mkdirSync(other);
    writeFileSync(join(other, 'package.json'), JSON.stringify({ main: 'index.json' }));
    writeFileSync(join(other, 'index.json'), JSON.stringify('from the package of the platform'));
    expect(await load()).toEqual({ loaded: 'from the package of the platform' });
  });
});
