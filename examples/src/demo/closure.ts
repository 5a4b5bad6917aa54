/** What a package needs, directly and through others. */

import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readManifest } from './manifest.js';

export interface Closure {
  /** `name@version` of each, sorted, without the package itself. */
  readonly packages: readonly string[];
  /** Required names that resolve to nothing, sorted. */
  readonly missing: readonly string[];
}

/** Follows dependencies as Node resolves them: from the real directory, upwards through node_modules. */
export async function dependencyClosure(directory: string): Promise<Closure> {
  const start = await realpath(directory);
  const installed = new Map<string, Promise<string | undefined>>(); // candidate directory → real one
  const seen = new Set([start]);
  const packages = new Set<string>();
  const missing = new Set<string>();
  const queue = [start];
  for (let from = queue.pop(); from !== undefined; from = queue.pop()) {
    const manifest = await readManifest(from);
    if (manifest === undefined) continue;
    if (from !== start) packages.add(`${manifest.name}@${manifest.version}`);
    for (const name of [...manifest.required, ...manifest.wanted]) {
      const found = await resolve(name, from, installed);
      if (found === undefined) {
        if (manifest.required.includes(name)) missing.add(name);
      } else if (!seen.has(found)) {
        seen.add(found);
        queue.push(found);
      }
    }
  }
  return { packages: [...packages].sort(), missing: [...missing].sort() };
}

async function resolve(
  name: string,
  from: string,
  installed: Map<string, Promise<string | undefined>>,
): Promise<string | undefined> {
  for (let directory = from; ; directory = dirname(directory)) {
    if (basename(directory) !== 'node_modules') {
      const candidate = join(directory, 'node_modules', name);
      const known = installed.get(candidate) ?? realPackage(candidate);
      installed.set(candidate, known);
      const found = await known;
      if (found !== undefined) return found;
    }
    if (directory === dirname(directory)) return undefined;
  }
}

async function realPackage(candidate: string): Promise<string | undefined> {
  return realpath(join(candidate, 'package.json')).then(dirname, () => undefined);
}
