/** Backends that no import registered: looked up among the packages of the application, in processes of their own. */

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, test } from '@jest/globals';

const CORE = resolve('packages/core');
const run = promisify(execFile);
const made: string[] = [];

afterEach(async () => {
  await Promise.all(made.splice(0).map((folder) => rm(folder, { recursive: true })));
});

/** A folder with these files, and with @stockpile/core among its packages. */
async function application(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-app-'));
  made.push(folder);
  await mkdir(join(folder, 'node_modules/@stockpile'), { recursive: true });
  await symlink(CORE, join(folder, 'node_modules/@stockpile/core'));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

/** An ES module package that registers `name` and answers every read with `answer`. */
function backendPackage(packageName: string, name: string, answer: string): Record<string, string> {
  const folder = `node_modules/${packageName}`;
  return {
    [`${folder}/package.json`]: JSON.stringify({ name: packageName, type: 'module', exports: './index.js' }),
    [`${folder}/index.js`]: `
      import { CacheBackend, registerBackend } from '@stockpile/core';
      class Answering extends CacheBackend {
        name = ${JSON.stringify(name)};
        capabilities = new Set(['sync']);
        constructor(args) { super(); this.args = args; }
        get() { return { value: ${JSON.stringify(answer)} + (this.args.suffix ?? ''), metadata: { createdAt: 0 } }; }
        set() { return true; }
        delete() { return false; }
      }
      registerBackend(${JSON.stringify(name)}, (args) => new Answering(args));
    `,
  };
}

/** A main module that configures with `backend`, and prints what it reads or the error. */
function mainModule(backend: string, before = ''): string {
  return `
    import { createRegion, registerBackend, CacheBackend } from '@stockpile/core';
    ${before}
    try {
      const region = createRegion().configure(${JSON.stringify(backend)}, { arguments: { suffix: '!' } });
      console.log(await region.get('k'), region.sync.get('k'));
    } catch (error) {
      console.log(error.code, error.message);
    }
  `;
}

async function output(folder: string, ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, args, { cwd: folder });
  return stdout.trim();
}

describe('configure with a name that is not registered', () => {
  test('7: loads the ES module package stockpile-backend-<name>, synchronously', async () => {
    const folder = await application({
      'main.mjs': mainModule('foo'),
      ...backendPackage('stockpile-backend-foo', 'foo', 'community'),
    });
    expect(await output(folder, 'main.mjs')).toBe('community! community!');
  });

  test('7: prefers @stockpile/backend-<name>', async () => {
    const folder = await application({
      'main.mjs': mainModule('foo'),
      ...backendPackage('stockpile-backend-foo', 'foo', 'community'),
      ...backendPackage('@stockpile/backend-foo', 'foo', 'official'),
    });
    expect(await output(folder, 'main.mjs')).toBe('official! official!');
  });

  test('7: goes on to the second package where the first registers another name', async () => {
    const folder = await application({
      'main.mjs': mainModule('foo'),
      ...backendPackage('stockpile-backend-foo', 'foo', 'community'),
      ...backendPackage('@stockpile/backend-foo', 'bar', 'official'),
    });
    expect(await output(folder, 'main.mjs')).toBe('community! community!');
  });

  test('7: finds the packages of the application from a main module in a folder of it', async () => {
    const folder = await application({
      'src/bin/main.mjs': mainModule('foo'),
      ...backendPackage('stockpile-backend-foo', 'foo', 'community'),
    });
    expect(await output(folder, 'src/bin/main.mjs')).toBe('community! community!');
    expect(await output(tmpdir(), join(folder, 'src/bin/main.mjs'))).toBe('community! community!');
  });

  test('7: finds them from the working directory where there is no main module', async () => {
    const folder = await application(backendPackage('stockpile-backend-foo', 'foo', 'community'));
    expect(await output(folder, '--input-type=module', '-e', mainModule('foo'))).toBe('community! community!');
  });

  test('7: what is registered wins over an installed package', async () => {
    const folder = await application({
      'main.mjs': mainModule(
        'foo',
        `class Own extends CacheBackend {
          name = 'foo'; capabilities = new Set(['sync']);
          get() { return { value: 'own', metadata: { createdAt: 0 } }; }
          set() { return true; } delete() { return false; }
        }
        registerBackend('foo', () => new Own());`,
      ),
      ...backendPackage('@stockpile/backend-foo', 'foo', 'official'),
    });
    expect(await output(folder, 'main.mjs')).toBe('own own');
  });

  test('7: a package that fails to load passes its own error on', async () => {
    const folder = await application({
      'main.mjs': mainModule('foo'),
      'node_modules/stockpile-backend-foo/package.json': JSON.stringify({ type: 'module', exports: './index.js' }),
      'node_modules/stockpile-backend-foo/index.js': "throw new Error('no native binary');",
    });
    expect(await output(folder, 'main.mjs')).toBe('undefined no native binary');
  });

  test('7: nothing installed: the registered names and the install line', async () => {
    const folder = await application({ 'main.mjs': mainModule('foo') });
    expect(await output(folder, 'main.mjs')).toBe(
      'ERR_STOCKPILE_UNKNOWN_BACKEND no backend is named "foo"; registered: null; to install one: npm install @stockpile/backend-foo',
    );
  });

  test('7: a path is never loaded', async () => {
    const folder = await application({
      'main.mjs': mainModule('../../evil'),
      'evil.js': "console.log('loaded');",
      'node_modules/evil.js': "console.log('loaded');",
    });
    expect(await output(folder, 'main.mjs')).toMatch(/^ERR_STOCKPILE_UNKNOWN_BACKEND/);
  });
});
