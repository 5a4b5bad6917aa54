/** Node.js binaries of other versions, from the npm packages that carry them. */

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT, run } from '../scripts/packages.js';

/** The oldest version that is supported, and one of each later line. */
export const NODE_VERSIONS: readonly string[] = ['20.19.0', '22.23.3', '24.21.0', '26.10.0'];

const PACKAGE = `node-${process.platform}-${process.arch}`;
/** The versions are part of the name: other versions, another folder. */
const FOLDER = join(ROOT, 'node_modules/.cache/stockpile-nodes', NODE_VERSIONS.join('_'));

let installed: Promise<void> | undefined;
let failureIsTold = false;

/** The path of the binary. The first call installs all versions, some 700 MB, where an earlier run has not. */
export async function nodeBinary(version: string): Promise<string> {
  installed ??= existsSync(FOLDER) ? Promise.resolve() : install();
  try {
    await installed;
  } catch (error) {
    if (failureIsTold) throw new Error(`there is no Node.js ${version} here; the first failure says why`);
    failureIsTold = true;
    throw error;
  }
  return join(FOLDER, 'node_modules', alias(version), 'bin/node');
}

function alias(version: string): string {
  return `node-${version}`;
}

async function install(): Promise<void> {
  const unfinished = `${FOLDER}.${process.pid}`; // a run that is stopped half-way leaves nothing that looks complete
  mkdirSync(unfinished, { recursive: true });
  const dependencies = Object.fromEntries(
    NODE_VERSIONS.map((version) => [alias(version), `npm:${PACKAGE}@${version}`]),
  );
  writeFileSync(join(unfinished, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error'];
  const { status, stderr } = await run('npm', ['install', ...options], unfinished);
  if (status !== 0) {
    rmSync(unfinished, { recursive: true, force: true });
    throw new Error(
      `Node.js ${NODE_VERSIONS.join(', ')} could not be installed from the npm package ${PACKAGE}; ` +
        `these tests need the registry that npm ci used, or npm's cache. npm says:\n${stderr}`,
    );
  }
  await rename(unfinished, FOLDER).catch((error: unknown) => {
    if (!existsSync(FOLDER)) throw error; // another run was faster
    rmSync(unfinished, { recursive: true, force: true });
  });
}
