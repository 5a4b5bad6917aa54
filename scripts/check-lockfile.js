/** Checks package-lock.json: refused versions, install scripts outside development, recorded download addresses. */

import { readFileSync } from 'node:fs';

/** Compromised or broken releases that must not come in, not even by way of another package. */
const REFUSED = new Set([
  'keyv@6.0.0',
  'cacheable@2.5.1',
  'cache-manager@7.2.10',
  '@cacheable/memory@2.2.1',
  '@cacheable/utils@2.5.1',
  '@cacheable/node-cache@3.1.2',
  'flat-cache@6.1.24',
  'file-entry-cache@11.1.6',
  'cacheable-request@13.0.20',
]);

const path = process.argv[2] ?? new URL('../package-lock.json', import.meta.url);
const { packages } = JSON.parse(readFileSync(path, 'utf8'));
if (packages === undefined) throw new Error(`${path}: no lock file of npm 7 or later`);

const problems = Object.entries(packages).flatMap(
  ([place, { name, version, dev, devOptional, hasInstallScript, resolved }]) => {
    // an alias records the real name; otherwise the place tells it
    const id = `${name ?? place.split('node_modules/').at(-1)}@${version}`;
    return [
      REFUSED.has(id) && `${id}: a refused version`,
      hasInstallScript && !dev && !devOptional && `${id}: has an install script, which npm does not run for our users`,
      resolved?.startsWith('http') && `${id}: records a download address (${resolved}); see .npmrc`,
    ].filter(Boolean);
  },
);

for (const problem of problems) console.error(problem);
if (problems.length === 0) console.log(`package-lock.json: ${Object.keys(packages).length} packages, no problem`);
else process.exitCode = 1;
