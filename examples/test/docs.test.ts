/** What README.md and docs/ show is true: their code compiles, what says that it runs does, and no link is dead. */

import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const PAGES = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((path) =>
  path.endsWith('.md'),
);
/** Has a test of its own: its blocks are the parts of files in examples/src. */
const SHOWN_ELSEWHERE = 'docs/write-a-backend.md';
/** Pages whose blocks stand in the reader's application: what they take for granted. */
const SURROUNDINGS: Readonly<Record<string, string>> = {
  'docs/errors.md': `
    declare const users: import('@stockpile/core').Region<{ id: number }>;
    declare const user: { id: number };
    declare const log: { warn(...parts: unknown[]): void };`,
};
/** As an application would have it, one that is as strict as can be. */
const TSCONFIG = {
  compilerOptions: {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable', 'esnext.decorators'],
    types: ['node'],
    module: 'nodenext',
    moduleDetection: 'force',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    rootDir: '.',
    outDir: 'out',
  },
  include: ['*.ts'],
};
const TIMEOUT_MS = 120_000;

interface Block {
  /** Of its file; begins with the page's name and its line. */
  readonly name: string;
  readonly code: string;
  readonly runs: boolean;
}

const blocks = PAGES.filter((page) => page !== SHOWN_ELSEWHERE).flatMap(blocksOf);
const run = promisify(execFile);
/** Below dist, which git ignores, and within the repository, so that the packages are found. */
const PARENT = 'examples/dist';
let directory = '';
let complaints = '';

beforeAll(async () => {
  mkdirSync(PARENT, { recursive: true });
  directory = mkdtempSync(join(PARENT, 'docs-'));
  writeFileSync(join(directory, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(TSCONFIG));
  for (const { name, code } of blocks) writeFileSync(join(directory, `${name}.ts`), code);
  // one run for all blocks: it checks their types and makes what is run below
  const tsc = run(process.execPath, ['node_modules/typescript/bin/tsc', '--pretty', 'false', '-p', directory]);
  complaints = await tsc.then(
    () => '',
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  );
}, TIMEOUT_MS);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('code in the documents', () => {
  test('is found, and fenced as what it is', () => {
    expect(blocks.length).toBeGreaterThan(20);
    const fences = PAGES.filter((page) => page !== SHOWN_ELSEWHERE).flatMap((page) =>
      [...readFileSync(page, 'utf8').matchAll(/^\s*```(t\S+.*)$/gm)].map((match) => match[1]),
    );
    expect(fences.filter((fence) => !['ts', 'ts fragment', 'text'].includes(fence as string))).toEqual([]);
  });
  test('complains of nothing but the blocks themselves', () => {
    const elsewhere = complaints
      .split('\n')
      .filter((line) => /^\S/.test(line) && !blocks.some(({ name }) => line.includes(`${name}.ts`)));
    expect(elsewhere).toEqual([]);
  });
  test.each(blocks)('$name compiles', ({ name }) => {
    expect(complaints.split('\n').filter((line) => line.includes(`${name}.ts`))).toEqual([]);
  });
  test.concurrent.each(blocks.filter((block) => block.runs))(
    '$name prints what it says',
    async ({ name, code }) => {
      const { stdout, stderr } = await run(process.execPath, [join(directory, 'out', `${name}.js`)]);
      expect(stderr).toBe('');
      expect(stdout.trimEnd().split('\n')).toEqual(printedBy(code));
    },
    TIMEOUT_MS,
  );
});

describe('links in the documents', () => {
  test.each(PAGES)('%s links to what exists', (page) => {
    const dead = linksOf(page).filter((link) => !leadsSomewhere(page, link));
    expect(dead).toEqual([]);
  });
  test('the index names every page', () => {
    const linked = new Set(linksOf('docs/README.md'));
    const left = PAGES.map((page) => page.replace(/^docs\//, '')).filter(
      (name) => name !== 'README.md' && !linked.has(name),
    );
    expect(left).toEqual([]);
  });
});

/** Blocks fenced as `ts`; those fenced as `ts fragment` are parts of something and left alone. */
function blocksOf(page: string): Block[] {
  const text = readFileSync(page, 'utf8');
  return [...text.matchAll(/^```ts[ \t]*\n(.*?)^```/gms)].map((match) => {
    const line = text.slice(0, match.index).split('\n').length;
    const code = match[1] as string;
    const name = `${page.replace(/\.md$/, '').replaceAll('/', '-')}-${line}`;
    return { name, code: code + (SURROUNDINGS[page] ?? ''), runs: code.startsWith('// runs\n') };
  });
}

/** The lines that a block promises to print, in the order of their comments. */
function printedBy(code: string): string[] {
  return [...code.matchAll(/\/\/ prints: (.*)$/gm)].map((match) => match[1] as string);
}

function linksOf(page: string): string[] {
  const prose = readFileSync(page, 'utf8')
    .replace(/^```.*?^```/gms, '')
    .replace(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] as string);
}

function leadsSomewhere(page: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return true; // elsewhere in the world
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : normalize(join(dirname(page), path));
  if (!existsSync(target)) return false;
  return anchor === undefined || headingsOf(target).includes(anchor);
}

/** The anchors of a page's headings, as forges make them. */
function headingsOf(page: string): string[] {
  const text = readFileSync(page, 'utf8').replace(/^```.*?^```/gms, '');
  return [...text.matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] as string)
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
