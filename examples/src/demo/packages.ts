/** Finds what is installed under a checkout's node_modules. */

import type { Dirent } from 'node:fs';
import { readdir, realpath } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { readManifest } from './manifest.js';

export interface InstalledPackage {
  /** Where it is, seen from the checkout: `node_modules/jest`. One name can be installed twice. */
  readonly key: string;
  /** The real directory, absolute. */
  readonly directory: string;
}

/**
 * The packages under `checkout`/node_modules, sorted by key: scoped ones, nested ones, and those of a linked store
 * (pnpm). A linked workspace is left out, since its files change while people work on it; what is installed inside it
 * counts. `undefined`: there is no node_modules.
 */
export async function findPackages(checkout: string): Promise<InstalledPackage[] | undefined> {
  const root = await realpath(checkout);
  const found = new Map<string, InstalledPackage>();
  const seen = new Set<string>(); // real paths of node_modules directories: links can lead back
  const queue = [join(root, 'node_modules')];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const modules = await realpath(next).catch(ignoreAbsence);
    if (modules === undefined || seen.has(modules)) continue;
    seen.add(modules);
    for (const directory of await children(modules)) {
      queue.push(join(directory, 'node_modules'));
      const store = installedIn(directory);
      if (store === undefined || found.has(directory) || (await readManifest(directory)) === undefined) continue;
      queue.push(store); // of a linked store: its dependencies are its neighbours
      found.set(directory, { key: relative(root, directory).split(sep).join('/'), directory });
    }
  }
  if (seen.size === 0) return undefined;
  return [...found.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Real paths of the directories in a node_modules directory, those in scopes included. */
async function children(modules: string): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await directories(modules)) {
    if (entry.name.startsWith('.')) continue; // .bin, .cache, .pnpm
    if (!entry.name.startsWith('@')) names.push(entry.name);
    else for (const scoped of await directories(join(modules, entry.name))) names.push(join(entry.name, scoped.name));
  }
  const paths = await Promise.all(names.map((name) => realpath(join(modules, name)).catch(ignoreAbsence)));
  return paths.filter((path) => path !== undefined);
}

async function directories(parent: string): Promise<Dirent[]> {
  const entries = (await readdir(parent, { withFileTypes: true }).catch(ignoreAbsence)) ?? [];
  return entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink());
}

/** The node_modules directory that a package lies in; `undefined` for a workspace. */
function installedIn(directory: string): string | undefined {
  const parent = dirname(directory);
  const modules = parent.split(sep).at(-1)?.startsWith('@') ? dirname(parent) : parent;
  return modules.endsWith(`${sep}node_modules`) ? modules : undefined;
}

/** For dangling links, links to files, and what goes away while we look. */
export function ignoreAbsence(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}
