/** A small checkout with everything that real ones have: scopes, nesting, cycles, links and rubbish. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Writes files by their paths; objects as JSON. */
export function writeTree(root: string, files: Readonly<Record<string, string | object>>): void {
  for (const [path, content] of Object.entries(files)) {
    const absolute = join(root, path);
    mkdirSync(dirname(absolute), { recursive: true });
    writeFileSync(absolute, typeof content === 'string' ? content : JSON.stringify(content));
  }
}

export function link(root: string, path: string, target: string): void {
  const absolute = join(root, path);
  mkdirSync(dirname(absolute), { recursive: true });
  symlinkSync(target, absolute);
}

/** A directory of its own, and how to remove it. */
export function temporaryDirectory(): { path: string; remove: () => void } {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'stockpile-demo-')));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function writeCheckout(root: string): void {
  writeTree(root, {
    'node_modules/a/package.json': { name: 'a', version: '1.0.0', license: 'MIT', dependencies: { b: '*' } },
    'node_modules/a/index.js': 'first',
    'node_modules/a/lib/more.js': 'second',
    'node_modules/a/node_modules/.cache/x': 'not of the package',
    'node_modules/b/package.json': {
      name: 'b',
      version: '2.0.0',
      license: { type: 'ISC' },
      dependencies: { a: '*', c: '*' },
    },
    'node_modules/c/package.json': {
      name: 'c',
      version: '1.0.0',
      dependencies: { gone: '*', 'not-on-this-system': '*' },
      optionalDependencies: { 'not-on-this-system': '*' },
      peerDependencies: { nobody: '*' },
    },
    'node_modules/@scope/d/package.json': {
      name: '@scope/d',
      version: '3.0.0',
      licenses: [{ type: 'MIT' }, { type: 'Apache-2.0' }],
      dependencies: { c: '*', ws: '*' },
    },
    'node_modules/@scope/d/node_modules/c/package.json': { name: 'c', version: '9.0.0', license: 'BSD-3-Clause' },
    'node_modules/odd/package.json': 'this is not JSON',
    // rubbish
    'node_modules/.bin/tool': '#!/bin/sh',
    'node_modules/.cache/e/package.json': { name: 'cached', version: '1.0.0' },
    'node_modules/no-package/readme.md': '',
    'node_modules/a-file': '',
    // a workspace, linked, with something installed inside and links that lead back
    'packages/ws/package.json': { name: 'ws', version: '0.0.0', dependencies: { inner: '*' } },
    'packages/ws/node_modules/inner/package.json': { name: 'inner', version: '1.0.0', license: 'MIT' },
  });
  link(root, 'node_modules/ws', '../packages/ws');
  link(root, 'node_modules/dangling', '../nowhere');
  link(root, 'packages/ws/node_modules/ws', '..');
  link(root, 'packages/ws/node_modules/root', '../../..');
  link(root, 'node_modules/b/node_modules', '..');
}
