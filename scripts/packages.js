// @ts-check
/** The public packages, and their tarballs as `npm publish` would make them. */

import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * @typedef {object} Manifest
 * @property {string} name
 * @property {string} version
 * @property {boolean} [private]
 * @property {string[]} [files]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [peerDependencies]
 *
 * @typedef {object} PublicPackage
 * @property {string} folder absolute
 * @property {Manifest} manifest
 *
 * @typedef {object} Outcome
 * @property {number | null} status
 * @property {string} stdout
 * @property {string} stderr
 */

/** @returns {PublicPackage[]} in the order of their folders */
export function publicPackages() {
  return readdirSync(join(ROOT, 'packages'))
    .sort()
    .map((name) => join(ROOT, 'packages', name))
    .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
    .filter(({ manifest }) => manifest.private !== true);
}

/**
 * Packs what is built; builds nothing.
 * @param {PublicPackage} publicPackage
 * @param {string} destination a folder; made if missing
 * @returns {Promise<string>} the path of the tarball
 */
export async function pack({ folder, manifest }, destination) {
  const own = join(destination, manifest.name.replace('/', '-'));
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own, { recursive: true });
  const packed = await run(
    'npm',
    ['pack', '--ignore-scripts', '--loglevel=error', `--pack-destination=${own}`],
    folder,
  );
  const [tarball] = readdirSync(own);
  if (packed.status !== 0 || tarball === undefined) {
    throw new Error(`npm pack of ${manifest.name} failed:\n${packed.stdout}${packed.stderr}`);
  }
  return join(own, tarball);
}

/**
 * Runs a program to its end, without input.
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} cwd
 * @returns {Promise<Outcome>}
 */
export function run(program, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: plainEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

/** The environment without what npm and Node.js tell the scripts that they run: a child is to start like a user's. */
function plainEnvironment() {
  const told =
    /^(npm_(package|lifecycle|command|config_(local_prefix|workspace|include_workspace_root))|NODE_OPTIONS$)/;
  const kept = Object.entries(process.env).filter(([name]) => !told.test(name));
  return { ...Object.fromEntries(kept), NO_COLOR: '1' };
}
