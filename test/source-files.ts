/** What the tests of the repository itself look at: its files, and who imports what. */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { ROOT } from '../scripts/packages.js';

/** What is made, not written (see .gitignore). */
const GENERATED = new Set(['.git', 'node_modules', 'dist', 'build', 'prebuilds', 'coverage']);
const TEXT = /(\.(ts|mts|cts|js|mjs|cjs|json|md|yml|yaml|ini|sh|c|cc|cpp|h|hpp|inc)|\/run|\/\.[a-z]+|LICENSE)$/;

/** The text of every file that people write, by its path from the root. */
export function textFiles(): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory() && !GENERATED.has(entry.name)) visit(path);
      else if (entry.isFile() && TEXT.test(`/${path}`)) found.set(path, readFileSync(join(ROOT, path), 'utf8'));
    }
  };
  visit('');
  return found;
}

export interface Import {
  readonly from: string;
  /** It leaves no trace in what runs. `import { type A }` does leave one. */
  readonly typeOnly: boolean;
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:[\w*{][^;'"]*?\sfrom\s*)?'([^']+)'/gm;
const CALL = /(?<![.\w])(?:import|require)\(\s*'([^']+)'/g;

export function importsOf(source: string): Import[] {
  const statements = [...source.matchAll(STATEMENT)].map(([, type, from]) => ({ from, typeOnly: type !== undefined }));
  const calls = [...source.matchAll(CALL)].map(([, from]) => ({ from, typeOnly: false }));
  return [...statements, ...calls].filter((one): one is Import => one.from !== undefined);
}

/** By path: the paths of the files that it imports, as far as they are in `files`. */
export function importGraph(files: ReadonlyMap<string, string>, withTypes: boolean): Map<string, string[]> {
  const graph = new Map<string, string[]>();
  for (const [path, source] of files) {
    const targets = importsOf(source)
      .filter(({ from, typeOnly }) => from.startsWith('.') && (withTypes || !typeOnly))
      .map(({ from }) => posix.join(dirname(path), from).replace(/\.js$/, '.ts'));
    graph.set(
      path,
      targets.filter((target) => files.has(target)),
    );
  }
  return graph;
}

/** Everything that `start` imports, directly or not. */
export function reachable(graph: ReadonlyMap<string, readonly string[]>, start: string): Set<string> {
  const reached = new Set(graph.get(start));
  for (const path of reached) for (const next of graph.get(path) ?? []) reached.add(next);
  return reached;
}
