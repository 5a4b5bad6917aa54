// @ts-check
/** What can be said of a native addon without running it; with `readelf` of binutils, which comes with the compiler. */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname } from 'node:path';
import { ROOT, run } from './packages.js';

/** What Node.js looks for. Any other name could meet one of the process, or of another addon. */
const EXPORTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
/** Parts of the C library: where Node.js runs, they are there. */
const LIBRARY = /^(lib(c|m|dl|pthread)\.so\.\d+|ld-linux[\w-]*\.so\.\d+|libc\.musl-\w+\.so\.\d+)$/;
/**
 * That of RHEL 9 and Amazon Linux 2023. What of libstdc++ can throw (operator new, std::string, a local static with a
 * constructor) needs a newer one, where it is linked on a newer system.
 */
const GLIBC = '2.34';
const MACHINES = /** @type {const} */ ({ x64: 'X86-64', arm64: 'AArch64' });
/** Where people and machines build; a path into there is of no use to others. */
const FOLDERS = /(?<![\w.-])\/(?:home|root|Users|work|mnt|srv|opt|build)\/[\w.][\w./-]*/g;

/**
 * @param {string} path of a file `<platform>-<arch>/<libc>.node`
 * @returns {Promise<string[]>} each fits behind the name of the file
 */
export async function nativeFileProblems(path) {
  const options = ['--wide', '--file-header', '--section-headers', '--dynamic', '--dyn-syms', '--version-info'];
  const { status, stdout, stderr } = await run('readelf', [...options, path], ROOT).catch((error) => ({
    status: null,
    stdout: '',
    stderr: `${error.message}; it comes with binutils`,
  }));
  if (status !== 0 || stderr !== '') return [`cannot be examined: ${stderr.trim() || stdout}`];

  const problems = [];
  const machine = MACHINES[/** @type {keyof typeof MACHINES} */ (basename(dirname(path)).split('-')[1])];
  if (!new RegExp(`Machine: .*${machine}`).test(stdout)) problems.push(`is not for ${machine}`);
  const sections = all(stdout, /^ +\[ *\d+\] +(\.(?:symtab|strtab|debug\S*))/gm);
  if (sections.length > 0) problems.push(`is not stripped: it has ${sections.join(', ')}`);

  // Num: Value Size Type Bind Vis Ndx Name; without a section (UND) it is an import
  const symbols = all(stdout, /^ +\d+: [\da-f]+ +\w+ +\w+ +(?:GLOBAL|WEAK|UNIQUE|<[^>]+>) +\w+ +(?!UND)\S+ +(\S+)/gm);
  const exported = symbols.map((name) => name.replace(/@.*/, ''));
  const foreign = exported.filter((name) => !EXPORTS.includes(name));
  if (foreign.length > 0) problems.push(`exports ${foreign.join(', ')}`);
  if (!exported.includes('napi_register_module_v1'))
    problems.push('exports no napi_register_module_v1: it is no addon');

  const libraries = all(stdout, /\(NEEDED\)\s+Shared library: \[(.*)\]/g).filter((name) => !LIBRARY.test(name));
  if (libraries.length > 0) problems.push(`needs ${libraries.join(', ')}, which is not everywhere`);
  const newest = all(stdout, /\bName: GLIBC_(\d+\.\d+)/g)
    .sort((a, b) => compareVersions(a, b))
    .at(-1);
  if (newest !== undefined && compareVersions(newest, GLIBC) > 0)
    problems.push(`needs glibc ${newest}, not only ${GLIBC}`);
  const folders = all(stdout, /\((?:RPATH|RUNPATH)\).*\[(.*)\]/g);
  if (folders.length > 0) problems.push(`looks for libraries in ${folders.join(', ')}`);
  if (!/\(FLAGS_1\).*\bNODELETE\b/.test(stdout)) problems.push('is not marked NODELETE: a worker that ends unloads it');

  const bytes = readFileSync(path, 'latin1');
  const own = [ROOT, homedir()].filter((text) => text.length > 1 && bytes.includes(text));
  const named = [...new Set([...own, ...(bytes.match(FOLDERS) ?? [])])];
  if (named.length > 0) problems.push(`names places of the machine that built it: ${named.join(', ')}`);
  return problems;
}

/** As `sort` expects it; of versions with two parts. */
function compareVersions(/** @type {string} */ a, /** @type {string} */ b) {
  const [[major = 0, minor = 0], [otherMajor = 0, otherMinor = 0]] = [
    a.split('.').map(Number),
    b.split('.').map(Number),
  ];
  return major - otherMajor || minor - otherMinor;
}

/** The first group of every match. */
function all(/** @type {string} */ text, /** @type {RegExp} */ pattern) {
  return [...text.matchAll(pattern)].map(([, found = '']) => found);
}
