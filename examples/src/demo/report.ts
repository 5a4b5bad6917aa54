/** The creator: the expensive thing that the demo caches. */

import { createHash, type Hash } from 'node:crypto';
import { open, readdir, readlink } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { dependencyClosure } from './closure.js';
import { readManifest } from './manifest.js';

/** Plain data: every backend can keep it. */
export interface Report {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly files: number;
  readonly bytes: number;
  /** `name@version` of all that it needs, sorted. */
  readonly closure: readonly string[];
  /** Names that it requires and that are not installed, sorted. */
  readonly missing: readonly string[];
  /** Over the sorted paths and the contents, hex. */
  readonly sha256: string;
}

const CHUNK_BYTES = 256 * 1024;

/** Reads every file of the package in `directory`; packages that are installed inside it are not part of it. */
export async function makeReport(directory: string): Promise<Report> {
  const manifest = await readManifest(directory);
  if (manifest === undefined) throw new Error(`${directory} is no package: it has no package.json`);
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  const files = (await filesIn(directory, directory)).sort((a, b) => (a.path < b.path ? -1 : 1));
  let bytes = 0;
  for (const { path, isLink } of files) {
    const absolute = join(directory, path);
    hash.update(`${path}\0`);
    const size = isLink ? addLink(hash, await readlink(absolute)) : await addFile(hash, absolute, buffer);
    hash.update(`\0${size}\0`); // the length keeps ('a', 'bc') apart from ('ab', 'c')
    bytes += size;
  }
  const { packages, missing } = await dependencyClosure(directory);
  const { name, version, licence } = manifest;
  return { name, version, licence, files: files.length, bytes, closure: packages, missing, sha256: hash.digest('hex') };
}

interface Found {
  /** Seen from the package, with `/`. */
  readonly path: string;
  readonly isLink: boolean;
}

async function filesIn(root: string, directory: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const absolute = join(directory, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== 'node_modules') found.push(...(await filesIn(root, absolute)));
    } else if (entry.isFile() || entry.isSymbolicLink()) {
      found.push({ path: relative(root, absolute).split(sep).join('/'), isLink: entry.isSymbolicLink() });
    }
  }
  return found;
}

/** Adds the contents and answers with their length. */
async function addFile(hash: Hash, path: string, buffer: Buffer): Promise<number> {
  const file = await open(path);
  try {
    let size = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return size;
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** A link counts as its target's name: what it points to may lie outside the package. */
function addLink(hash: Hash, target: string): number {
  hash.update(`-> ${target}`);
  return 0;
}
