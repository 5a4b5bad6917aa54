/** The build of native parts, and the check of what it made, with an addon of a few lines. */

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { buildNative } from '../scripts/build-native.js';
import { nativeFileProblems } from '../scripts/native-file.js';
import { run } from '../scripts/packages.js';

const MINUTE = 60_000;
const ADDON = `#include <node_api.h>
#include "answer.h"
NAPI_MODULE_INIT() {
  napi_value answer;
  napi_create_int32(env, kAnswer, &answer);
  return answer;
}
`;
const onSupported = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch) ? describe : describe.skip;

let folder: string;
let lines: string[];

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'stockpile-build-native-')));
  lines = [];
  mkdirSync(join(folder, 'native'));
  write('addon.cc', ADDON);
  write('answer.h', 'inline constexpr int kAnswer = 42;\n');
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string): void => writeFileSync(join(folder, 'native', name), text);
const log = (line: string): void => {
  lines.push(line);
};
const build = (options: Parameters<typeof buildNative>[0] = {}): ReturnType<typeof buildNative> =>
  buildNative({ folder, log, ...options });

test('elsewhere it says in a line that there is no engine, and is content', async () => {
  expect(await build({ platform: 'darwin', arch: 'arm64' })).toBe('unsupported');
  expect(await build({ platform: 'linux', arch: 's390x' })).toBe('unsupported');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain('darwin-arm64');
  expect(readdirSync(folder)).toEqual(['native']);
});

onSupported('on this platform', () => {
  const target = `${process.platform}-${process.arch}`;
  const made = (): string => join(folder, `prebuilds/${target}/own.node`);
  const answer = async (): Promise<string> => {
    const { stdout, stderr } = await run(process.execPath, ['-p', `require('${made()}')`], folder);
    return (stdout + stderr).trim();
  };

  test(
    'it compiles what has changed, and is silent otherwise',
    async () => {
      expect(await build({ libc: 'own' })).toBe('built');
      expect(lines).toHaveLength(2);
      expect(await answer()).toBe('42');
      expect(await build({ libc: 'own' })).toBe('unchanged');
      expect(lines).toHaveLength(2);

      write('answer.h', 'inline constexpr int kAnswer = 43;\n');
      expect(await build({ libc: 'own' })).toBe('built');
      expect(await answer()).toBe('43');

      rmSync(made());
      expect(await build({ libc: 'own' })).toBe('built');
      writeFileSync(made(), 'of another build');
      expect(await build({ libc: 'own' })).toBe('built');
      expect(await answer()).toBe('43');
      expect(readdirSync(join(folder, `prebuilds/${target}`))).toEqual(['own.node']);
      expect(readdirSync(join(folder, 'build'))).toEqual([`${target}-own.stamp`]);
    },
    MINUTE,
  );

  test(
    'two at once do not disturb each other, and a build that fails keeps the old file',
    async () => {
      expect(await Promise.all([build({ libc: 'own' }), build({ libc: 'own' })])).toEqual(['built', 'built']);
      expect(await answer()).toBe('42');
      expect(await build({ libc: 'own' })).toBe('unchanged');

      write('addon.cc', ADDON.replace('kAnswer', 'nothing'));
      await expect(build({ libc: 'own' })).rejects.toThrow(/addon\.cc:5.*nothing/s);
      expect(await answer()).toBe('42');
      expect(readdirSync(join(folder, 'build'))).toEqual([`${target}-own.stamp`]);
    },
    MINUTE,
  );

  test(
    'a file that does not load replaces nothing',
    async () => {
      await build({ libc: 'own' });
      write('answer.h', 'extern const int kAnswer; // and nobody has it\n');
      await expect(build({ libc: 'own' })).rejects.toThrow(/undefined symbol: kAnswer/);
      expect(await answer()).toBe('42');
    },
    MINUTE,
  );

  test('without a compiler it says what to install', async () => {
    const remedy = 'a C++20 compiler is needed here; on Debian and Ubuntu: apt-get install g++';
    await expect(build({ cxx: 'no-such-compiler -O1' })).rejects.toThrow(
      `$CXX is no-such-compiler -O1, which does not run: ${remedy}`,
    );
    const path = process.env.PATH;
    try {
      process.env.PATH = folder;
      await expect(build({ cxx: '' })).rejects.toThrow(`there is no c++, g++ or clang++: ${remedy}`);
    } finally {
      process.env.PATH = path;
    }
    expect(existsSync(join(folder, 'build'))).toBe(false);
  });

  describe('the check of a native file', () => {
    const compiler = process.env.CXX || 'c++';
    /** Compiled without the care that the build takes. */
    const compile = async (code: string, flags: string): Promise<string[]> => {
      const path = join(folder, target, 'careless.node');
      mkdirSync(join(path, '..'));
      writeFileSync(join(folder, 'careless.cc'), code);
      const args = ['-shared', '-fPIC', ...flags.split(' '), join(folder, 'careless.cc'), '-o', path];
      expect(await run(compiler, args, folder)).toMatchObject({ status: 0 });
      return nativeFileProblems(path);
    };
    const REGISTER = 'extern "C" void* napi_register_module_v1() { return nullptr; }\n';

    test(
      'has nothing to say of one that the build made',
      async () => {
        await build({ libc: 'own' });
        expect(await nativeFileProblems(made())).toEqual([]);
      },
      MINUTE,
    );

    test(
      'sees symbols, libraries, folders and debug information',
      async () => {
        const folderOfSomebody = ['', 'home', 'ada', 'source'].join('/'); // not in one piece: this file is looked through too
        const code = `${REGISTER}#include <iostream>
          const char* other() { return "${folderOfSomebody}"; }
          void print() { std::cout << other(); }`;
        const problems = (await compile(code, '-g -Wl,-rpath,/lib/here')).join('\n');
        expect(problems).toMatch(/^is not stripped: it has .*\.debug_info/m);
        expect(problems).toMatch(/^exports .*_Z5otherv/m);
        expect(problems).toMatch(/^needs .*libstdc\+\+/m);
        expect(problems).toContain('looks for libraries in /lib/here');
        expect(problems).toContain('is not marked NODELETE');
        expect(problems).toMatch(/^names places of the machine that built it: .*ada/m);
      },
      MINUTE,
    );

    test(
      'sees what is no addon, or one for another machine',
      async () => {
        const problems = await compile('', '-s -Wl,-z,nodelete -nostdlib');
        expect(problems).toEqual(['exports no napi_register_module_v1: it is no addon']);
        const other = join(folder, process.arch === 'x64' ? 'linux-arm64' : 'linux-x64');
        cpSync(join(folder, target), other, { recursive: true });
        const [first] = await nativeFileProblems(join(other, 'careless.node'));
        expect(first).toMatch(/^is not for (AArch64|X86-64)$/);
        writeFileSync(join(other, 'text.node'), 'text');
        expect(await nativeFileProblems(join(other, 'text.node'))).toEqual([
          expect.stringMatching(/^cannot be examined/),
        ]);
      },
      MINUTE,
    );
  });
});
