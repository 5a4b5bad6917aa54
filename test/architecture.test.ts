/** The rules of the repository that no compiler knows: who may import whom, and what no file may hold. */

import { basename } from 'node:path';
import { expect, test } from '@jest/globals';
import * as core from '@stockpile/core';
import { publicPackages } from '../scripts/packages.js';
import { importGraph, importsOf, reachable, textFiles } from './source-files.js';

const SELF = 'test/architecture.test.ts';
const MOST_LINES = 300;
/** Cases in a row are read one by one. */
const MOST_TEST_LINES = 400;

const files = textFiles();
const code = select(files, /\.[mc]?[jt]s$/);
const coreFiles = select(files, /^packages\/core\/src\/.*\.ts$/);

function select(from: ReadonlyMap<string, string>, path: RegExp): Map<string, string> {
  return new Map([...from].filter(([name]) => path.test(name)));
}

/** `path:line` of every match, for messages that can be clicked. */
function places(where: ReadonlyMap<string, string>, pattern: RegExp): string[] {
  const found: string[] = [];
  for (const [path, text] of where) {
    if (path === SELF) continue; // it holds the patterns
    text.split('\n').forEach((line, i) => {
      if (pattern.test(line)) found.push(`${path}:${i + 1}: ${line.trim()}`);
    });
  }
  return found;
}

const inCore = (name: string): string => `packages/core/src/${name}.ts`;

/** What `names` import, directly or not, of what matches `forbidden`. */
function forbiddenImports(names: readonly string[], forbidden: RegExp, withTypes = false): string[] {
  const graph = importGraph(coreFiles, withTypes);
  return names.flatMap((name) => {
    if (!coreFiles.has(inCore(name))) throw new Error(`there is no ${inCore(name)}; this test names it`);
    const reached = [...reachable(graph, inCore(name))].map((path) => basename(path, '.ts'));
    return reached.filter((other) => forbidden.test(other)).map((other) => `${name} → ${other}`);
  });
}

test('the reader of imports tells what runs from what is only typed', () => {
  const source = [
    `import type { A } from './a.js';`,
    `import {\n  type B,\n  c,\n} from './b.js';`,
    `import './c.js';`,
    `export * from './d.js';`,
    `export type { E } from './e.js';`,
    ` * import { no } from './comment.js';`,
    `const f = await import('./f.js');`,
  ].join('\n');
  const runtime = ['./b.js', './c.js', './d.js', './f.js'];
  expect(importsOf(source)).toHaveLength(6);
  expect(
    importsOf(source)
      .filter(({ typeOnly }) => !typeOnly)
      .map(({ from }) => from),
  ).toEqual(runtime);
});

test('packages import node:, what they declare, and their own files', () => {
  const wrong: string[] = [];
  for (const { folder, manifest } of publicPackages()) {
    const own = `packages/${basename(folder)}/src/`;
    const declared = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });
    for (const [path, source] of select(files, new RegExp(`^${own}`))) {
      for (const { from } of importsOf(source)) {
        const isOwn = from.startsWith('./') && files.has(own + from.slice(2).replace(/\.js$/, '.ts'));
        if (!isOwn && !from.startsWith('node:') && !declared.includes(from)) wrong.push(`${path}: ${from}`);
      }
    }
  }
  expect(wrong).toEqual([]);
});

test('of the packages, only core is imported: it knows no backend, and backends do not know each other', () => {
  const wrong: string[] = [];
  for (const [path, source] of select(files, /^packages\/[^/]+\/src\//)) {
    for (const { from } of importsOf(source)) {
      const ours = /^@?stockpile[/-]/.test(from);
      if (ours && (path.startsWith('packages/core/') || from !== '@stockpile/core')) wrong.push(`${path}: ${from}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('no runtime import of core goes in a circle', () => {
  const graph = importGraph(coreFiles, false);
  const circular = [...graph.keys()].filter((path) => reachable(graph, path).has(path));
  expect(circular).toEqual([]);
});

test('imports run one way in core: index → region → read-through → contract', () => {
  const front = 'index|region|sync-region|setup|registry|config|function-cache';
  const middle = 'region-core|operations|key-watch|read-through.*|single-flight|creation';
  expect(forbiddenImports(['region', 'sync-region', 'setup'], /^index$/)).toEqual([]);
  const readThrough = ['read-through', 'read-through-multi', 'read-through-sync', 'operations', 'region-core'];
  expect(forbiddenImports(readThrough, new RegExp(`^(${front})$`))).toEqual([]);
  const contract = ['backend', 'cached-value', 'mutex', 'key', 'key-events', 'clock', 'serializer', 'errors'];
  expect(forbiddenImports(contract, new RegExp(`^(${front}|${middle})$`))).toEqual([]);
  // the contract is read alone, so not even its types come from above it
  expect(forbiddenImports(['backend'], new RegExp(`^(${front}|${middle})$`), true)).toEqual([]);
});

test('only index imports the region, and nobody imports index', () => {
  const importers = (name: string, withTypes: boolean): string[] =>
    [...importGraph(coreFiles, withTypes)]
      .filter(([, targets]) => targets.includes(inCore(name)))
      .map(([path]) => basename(path, '.ts'));
  expect(importers('region', false)).toEqual(['index']);
  expect(importers('index', true)).toEqual([]);
});

test(`a source of more than ${MOST_LINES} lines, or a test of more than ${MOST_TEST_LINES}, says why in its first line`, () => {
  const limit = (path: string): number => (path.endsWith('.test.ts') ? MOST_TEST_LINES : MOST_LINES);
  const long = [...code].filter(([path, text]) => text.trimEnd().split('\n').length > limit(path));
  const unexplained = long.filter(([, text]) => {
    const opening = text.startsWith('/**\n') ? text.slice(4) : text;
    return !/over 300 lines/i.test(opening.slice(0, opening.indexOf('\n')));
  });
  expect(unexplained.map(([path, text]) => `${path}: ${text.trimEnd().split('\n').length} lines`)).toEqual([]);
});

test('every error has a code of its own, and docs/errors.md a heading for each', () => {
  const codes = new Map<string, string>();
  for (const [name, exported] of Object.entries(core)) {
    if (typeof exported !== 'function' || !(exported.prototype instanceof Error)) continue;
    const error = new (exported as typeof core.StockpileError)('a message');
    expect(error).toBeInstanceOf(core.StockpileError);
    expect(error.name).toBe(name);
    expect(error.code).toMatch(/^ERR_STOCKPILE(_[A-Z]+)*$/);
    expect(codes.get(error.code)).toBeUndefined();
    codes.set(error.code, name);
  }
  expect(codes.get('ERR_STOCKPILE')).toBe('StockpileError');
  const headings = [...(files.get('docs/errors.md') ?? '').matchAll(/^## `(\w+)`: (\w+)$/gm)];
  expect(headings.map(([, heading, name]) => [heading, name])).toEqual([...codes].sort());
});

test('every error class of core is exported', () => {
  const declared = [...coreFiles.values()].flatMap((text) => [...text.matchAll(/^(?:export )?class (\w+Error)\b/gm)]);
  expect(declared.map(([, name]) => name).filter((name) => !(name !== undefined && name in core))).toEqual([]);
});

test('no file switches the types off', () => {
  const withoutTexts = new Map(
    [...code].map(([path, text]) => [
      path,
      text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, (gone) =>
        gone.replace(/[^\n]/g, ''),
      ),
    ]),
  );
  expect(places(select(withoutTexts, /\.[mc]?ts$/), /(?:[:<|&,=(]|\bas)\s*any\b/)).toEqual([]);
  expect(places(code, /@ts-ignore|@ts-nocheck|biome-ignore.*noExplicitAny/)).toEqual([]);
});

test('nothing is left to be done', () => {
  expect(places(files, /\b(TODO|FIXME|HACK)\b/)).toEqual([]);
});

test('no file names a package registry or a path of the machine that it was written on', () => {
  const host =
    /https?:\/\/[^\s'"`)]*(registry|npmjs|artifactory|nexus|verdaccio)|\bregistry\.(npmjs|yarnpkg|npmmirror)\b/i;
  expect(places(files, host)).toEqual([]);
  expect(places(files, /(?<![\w.~$}\]*-])\/(home|root|Users|work|mnt|srv|opt)\/\w/)).toEqual([]);
});

const lock = JSON.parse(files.get('package-lock.json') ?? '{}') as {
  packages: Record<string, { resolved?: string; link?: boolean; optionalDependencies?: Record<string, string> }>;
};

test('package-lock.json records no download address', () => {
  const addresses = Object.entries(lock.packages).filter(([, { resolved, link }]) => resolved !== undefined && !link);
  expect(addresses.map(([name]) => name)).toEqual([]);
  expect(Object.keys(lock.packages).length).toBeGreaterThan(100);
});

test('package-lock.json has the optional packages of every platform, without which npm ci refuses it', () => {
  const missing = Object.entries(lock.packages).flatMap(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`node_modules/${name}` in lock.packages || `${place}/node_modules/${name}` in lock.packages),
    ),
  );
  expect(missing).toEqual([]);
});
