// @ts-check
/**
 * Compiles the engine of @stockpile/backend-shm to `prebuilds/<platform>-<arch>/<libc>.node`, the file that
 * src/load-native.ts loads. Takes the compiler of $CXX, else c++, g++ or clang++, and the headers of the package
 * node-api-headers: nothing is downloaded, no header of a Node.js version is needed. Says nothing where nothing has
 * changed. On platforms that the engine does not support it only says so: the rest of the repository works there.
 */

import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT, run } from './packages.js';

const PACKAGE = join(ROOT, 'packages/backend-shm');
/** Where the engine works; elsewhere the backend throws UnsupportedPlatformError. */
const SUPPORTED = ['linux-x64', 'linux-arm64'];
const PROCESSES = 2;

const COMPILE = [
  ...['-std=c++20', '-O2', '-g0', '-flto=auto', '-fPIC', '-pthread', '-fno-exceptions', '-fno-rtti'],
  ...['-fvisibility=hidden', '-ffunction-sections', '-fdata-sections', '-Wall', '-Wextra', '-Wshadow', '-Werror'],
  '-DNAPI_VERSION=8',
];
const LINK = [
  ...['-shared', '-O2', '-g0', '-s', '-flto=auto', '-fPIC', '-pthread'],
  // the libraries that users have need not be as new as those of the machine of the build
  ...['-static-libstdc++', '-static-libgcc', '-Wl,--gc-sections'],
  // the last worker thread that used it may end while another thread still runs its code
  '-Wl,-z,nodelete',
  // a function that this Node.js lacks is an error when the file is loaded, not in the middle of the work
  ...['-Wl,-z,relro', '-Wl,-z,now', '-Wl,-z,noexecstack'],
];

/** Nothing else is seen from outside, also not what comes from libstdc++. */
const EXPORTS = '{ global: napi_register_module_v1; node_api_module_get_api_version_v1; local: *; };\n';

/**
 * Nothing here throws, but libstdc++ brings an unwinder, which on a system with glibc 2.35 or later takes this function
 * from there: with one of its own, that finds nothing, the file loads with an older glibc too.
 */
const UNWINDING = `extern "C" int _dl_find_object(void*, void*);
int _dl_find_object(void*, void*) { return -1; }
`;

/**
 * @typedef {object} Options
 * @property {string} [folder] of the package
 * @property {string} [platform]
 * @property {string} [arch]
 * @property {string} [libc]
 * @property {string} [cxx] the compiler, with arguments if need be
 * @property {(line: string) => void} [log]
 */

/**
 * @param {Options} [options] for tests: everything has the defaults of this machine
 * @returns {Promise<'built' | 'unchanged' | 'unsupported'>}
 */
export async function buildNative(options = {}) {
  const { folder = PACKAGE, platform = process.platform, arch = process.arch, log = console.log } = options;
  const target = `${platform}-${arch}`;
  if (!SUPPORTED.includes(target)) {
    log(`backend-shm: not built, it has no engine for ${target} (only for ${SUPPORTED.join(', ')})`);
    return 'unsupported';
  }
  const libc = options.libc ?? libcHere();
  const native = join(folder, 'native');
  const sources = filesOf(native, /\.cc$/);

  const { command, version } = await findCompiler(options.cxx ?? process.env.CXX);
  const headers = headersOfNodeApi();
  const inputs = createHash('sha256').update(JSON.stringify([command, version, COMPILE, LINK, EXPORTS, UNWINDING]));
  for (const name of filesOf(native, /^\w[\w.-]*$/)) addFile(inputs, native, name);
  for (const name of filesOf(headers, /\.h$/)) addFile(inputs, headers, name);

  const output = join(folder, 'prebuilds', target, `${libc}.node`);
  const build = join(folder, 'build');
  const stamp = join(build, `${target}-${libc}.stamp`);
  // the stamp tells of the output too: it may be that of a build that began earlier and ended later
  const wanted = inputs.digest('hex');
  if (read(stamp) === `${wanted} ${hashOf(output)}\n`) return 'unchanged';

  const began = performance.now();
  log(`backend-shm: compiling ${sources.length} files with ${version}`);
  mkdirSync(build, { recursive: true });
  mkdirSync(dirname(output), { recursive: true });
  const objects = mkdtempSync(join(build, 'objects-')); // of this build alone: another one may be running
  try {
    const linked = await compile(command, native, sources, headers, objects);
    // the linker lets through what Node.js may have and what nobody has: only loading tells
    await call([process.execPath], ['--eval', 'require(process.argv[1])', linked], folder);
    const made = hashOf(linked);
    renameSync(linked, output); // a process that has loaded the old file keeps it
    writeFileSync(stamp, `${wanted} ${made}\n`);
  } finally {
    rmSync(objects, { recursive: true, force: true });
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  log(`backend-shm: ${relative(folder, output)}, ${Math.ceil(statSync(output).size / 1024)} kB after ${seconds} s`);
  return 'built';
}

/**
 * @param {readonly string[]} command
 * @param {string} native the folder of the sources. All paths are given from there: none of this machine gets into the file
 * @param {readonly string[]} sources
 * @param {string} headers a folder
 * @param {string} objects a folder, for this alone
 * @returns {Promise<string>} the path of what is linked
 */
async function compile(command, native, sources, headers, objects) {
  const own = (/** @type {string} */ name) => join(relative(native, objects), name);
  writeFileSync(join(objects, 'exports.map'), EXPORTS);
  writeFileSync(join(objects, 'unwinding.cc'), UNWINDING);
  const units = [...sources, own('unwinding.cc')].map((source) => ({ source, object: own(`${basename(source)}.o`) }));
  const waiting = [...units];
  const compileAll = async () => {
    for (let unit = waiting.shift(); unit !== undefined; unit = waiting.shift()) {
      const files = ['-isystem', relative(native, headers), '-c', unit.source, '-o', unit.object];
      await call(command, [...COMPILE, ...files], native);
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: PROCESSES }, compileAll));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
  const files = [...units.map(({ object }) => object), '-o', own('linked.node')];
  await call(command, [...LINK, `-Wl,--version-script=${own('exports.map')}`, ...files], native);
  return join(objects, 'linked.node');
}

/** The C library that this Node.js runs on: that of the addon must be the same. */
function libcHere() {
  const report = /** @type {{ excludeNetwork?: boolean, getReport(): object }} */ (process.report);
  report.excludeNetwork = true; // else it looks up the names of all connections
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (report.getReport());
  return header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/**
 * @param {string | undefined} wanted
 * @returns {Promise<{ command: string[], version: string }>}
 */
async function findCompiler(wanted) {
  const named = (wanted ?? '').split(' ').filter((word) => word !== '');
  for (const command of named.length > 0 ? [named] : [['c++'], ['g++'], ['clang++']]) {
    const [program = '', ...args] = command;
    const asked = await run(program, [...args, '--version'], ROOT).catch(() => undefined);
    const version = asked?.stdout.split('\n', 1)[0] ?? '';
    if (asked?.status === 0 && version !== '') return { command, version };
  }
  const sought = named.length > 0 ? `$CXX is ${wanted}, which does not run` : 'there is no c++, g++ or clang++';
  throw new Error(`${sought}: a C++20 compiler is needed here; on Debian and Ubuntu: apt-get install g++`);
}

function headersOfNodeApi() {
  const { resolve } = createRequire(import.meta.url);
  try {
    return join(dirname(resolve('node-api-headers/package.json')), 'include');
  } catch {
    throw new Error('the package node-api-headers is not installed: npm ci');
  }
}

/** @param {readonly string[]} command @param {readonly string[]} args @param {string} cwd */
async function call([program = '', ...first], args, cwd) {
  const { status, stdout, stderr } = await run(program, [...first, ...args], cwd);
  if (status !== 0) throw new Error(`${program} ${[...first, ...args].join(' ')}\n${stdout}${stderr}`.trimEnd());
}

/** @param {string} folder @param {RegExp} name */
function filesOf(folder, name) {
  try {
    return readdirSync(folder)
      .filter((file) => name.test(file))
      .sort();
  } catch {
    return [];
  }
}

/** @param {import('node:crypto').Hash} hash @param {string} folder @param {string} name */
function addFile(hash, folder, name) {
  const bytes = readFileSync(join(folder, name));
  hash.update(`${name} ${bytes.length}\n`).update(bytes);
}

/** @param {string} path */
function hashOf(path) {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return 'none';
  }
}

/** @param {string} path */
function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildNative().catch((/** @type {Error} */ error) => {
    console.error(`backend-shm: ${error.message}`);
    process.exitCode = 1;
  });
}
