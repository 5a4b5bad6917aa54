// @ts-check
/**
 * Checks every public package as it would be published: what its tarball holds, what its package.json says, its native
 * files, publint, and are-the-types-wrong. Expects a build. Ends with `N passed, N failed`, one for each package.
 */

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { nativeFileProblems } from './native-file.js';
import { pack, publicPackages, ROOT, run } from './packages.js';

/** The same in every package, so that they can be read side by side. No `scripts`: nothing may run when it is installed. */
const FIELDS = [
  'name',
  'version',
  'description',
  'keywords',
  'license',
  'type',
  'engines',
  'exports',
  'files',
  'sideEffects',
  'dependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'publishConfig',
];
const NEEDED_FIELDS = FIELDS.filter((field) => !/ependencies(Meta)?$/.test(field));
const FILES = ['dist/*.js', 'dist/*.d.ts'];
const NEEDED_FILES = ['LICENSE', 'README.md', 'dist/index.d.ts', 'dist/index.js', 'package.json'];
/** No source maps: what is published is the source without its types, and reads like it. */
const ALLOWED_FILE = /^(LICENSE|README\.md|package\.json|dist\/[a-z0-9-]+(\.d\.ts|\.js))$/;

/**
 * The packages with a native part, which have these files more than the others. The needed one is that of the platform
 * that the tests run on; a release has them all.
 * @type {Readonly<Record<string, { files: readonly string[], allowed: RegExp, needed: readonly string[] }>>}
 */
const NATIVE = {
  '@stockpile/backend-shm': {
    files: ['prebuilds/*/*.node'],
    allowed: /^prebuilds\/linux-(x64|arm64)\/(glibc|musl)\.node$/,
    needed: ['prebuilds/linux-x64/glibc.node'],
  },
};

/** @typedef {import('./packages.js').PublicPackage} PublicPackage */

/** @param {PublicPackage} publicPackage */
function manifestProblems({ manifest }, /** @type {PublicPackage} */ first) {
  const problems = [];
  const fields = Object.keys(manifest);
  const expected = FIELDS.filter((field) => fields.includes(field));
  if (expected.join() !== fields.join()) {
    problems.push(`package.json: its fields are ${fields.join(', ')}; they should be ${expected.join(', ')}`);
  }
  for (const field of NEEDED_FIELDS) if (!fields.includes(field)) problems.push(`package.json: no ${field}`);
  for (const field of /** @type {const} */ (['version', 'license', 'engines', 'type', 'exports'])) {
    const [own, other] = [manifest, first.manifest].map((one) => JSON.stringify(/** @type {never} */ (one)[field]));
    if (own !== other) problems.push(`package.json: ${field} is ${own}, and ${other} in ${first.manifest.name}`);
  }
  const published = JSON.stringify([...FILES, ...(NATIVE[manifest.name]?.files ?? [])]);
  if (JSON.stringify(manifest.files) !== published) problems.push(`package.json: files should be ${published}`);
  if (manifest === first.manifest) {
    const needs = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
    if (needs.length > 0) problems.push(`core depends on nothing, not on ${needs.join(', ')}`);
  } else if (manifest.peerDependencies?.['@stockpile/core'] !== `^${first.manifest.version}`) {
    problems.push(`package.json: peerDependencies must have @stockpile/core ^${first.manifest.version}`);
  }
  return problems;
}

/** @param {PublicPackage} publicPackage */
async function tarballProblems({ folder, manifest }, /** @type {string} */ tarball) {
  const native = NATIVE[manifest.name];
  const listed = await run('tar', ['-tzf', tarball], ROOT);
  const files = listed.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^package\//, ''));
  const problems = files
    .filter((file) => !ALLOWED_FILE.test(file) && !native?.allowed.test(file))
    .map((file) => `${file} must not be published`);
  for (const file of [...NEEDED_FILES, ...(native?.needed ?? [])]) {
    if (!files.includes(file)) problems.push(`${file} is missing`);
  }
  const sources = readdirSync(join(folder, 'src')).map((file) => file.replace(/\.ts$/, ''));
  const built = files.filter((file) => file.endsWith('.js')).map((file) => file.replace(/^dist\/(.*)\.js$/, '$1'));
  for (const name of built) {
    if (!sources.includes(name)) problems.push(`dist/${name}.js has no source any more: remove dist and build again`);
  }
  for (const name of sources) if (!built.includes(name)) problems.push(`src/${name}.ts is not built`);
  const licenses = [folder, ROOT].map((place) => readFileSync(join(place, 'LICENSE'), 'utf8'));
  if (licenses[0] !== licenses[1]) problems.push('LICENSE is not that of the repository');
  return problems;
}

/** npm runs node-gyp where a package has a binding.gyp, with no script in its package.json. */
async function nativeProblems(/** @type {PublicPackage} */ { folder, manifest }, /** @type {string} */ tarball) {
  if (existsSync(join(folder, 'binding.gyp'))) return ['binding.gyp: npm would compile when the package is installed'];
  const native = NATIVE[manifest.name];
  if (native === undefined) return [];
  const unpacked = `${tarball}.unpacked`;
  mkdirSync(unpacked);
  await run('tar', ['-xzf', tarball, '-C', unpacked], ROOT);
  const files = readdirSync(join(unpacked, 'package'), { recursive: true }).map(String);
  const problems = files
    .filter((file) => native.allowed.test(file))
    .map(async (file) => {
      const found = await nativeFileProblems(join(unpacked, 'package', file));
      return found.map((problem) => `${file} ${problem}`);
    });
  return (await Promise.all(problems)).flat();
}

async function publintProblems(/** @type {string} */ tarball) {
  const bytes = Uint8Array.from(readFileSync(tarball)).buffer;
  const { messages, pkg } = await publint({ pack: { tarball: bytes }, strict: true });
  return messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`);
}

async function typesProblems(/** @type {string} */ tarball) {
  const attw = join(ROOT, 'node_modules/.bin/attw');
  const args = ['--profile', 'esm-only', '--no-definitely-typed', '--no-color', '--no-emoji', '--format', 'ascii'];
  const { status, stdout, stderr } = await run(attw, [tarball, ...args], ROOT);
  return status === 0 ? [] : [`are-the-types-wrong:\n${stdout}${stderr}`];
}

const packages = publicPackages();
const first = packages.find(({ manifest }) => manifest.name === '@stockpile/core');
if (first === undefined) throw new Error('there is no @stockpile/core in packages/');
const destination = mkdtempSync(join(tmpdir(), 'stockpile-packages-'));
let failed = 0;
try {
  for (const one of packages) {
    const tarball = await pack(one, destination);
    const problems = [
      ...manifestProblems(one, first),
      ...(await tarballProblems(one, tarball)),
      ...(await nativeProblems(one, tarball)),
      ...(await publintProblems(tarball)),
      ...(await typesProblems(tarball)),
    ];
    if (problems.length > 0) failed++;
    console.log(`${problems.length === 0 ? 'ok    ' : 'failed'} ${one.manifest.name}`);
    for (const problem of problems) console.log(`       ${problem.replaceAll('\n', '\n       ')}`);
  }
} finally {
  rmSync(destination, { recursive: true, force: true });
}
console.log(`${packages.length - failed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
