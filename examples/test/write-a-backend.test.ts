/** The backend of docs/write-a-backend.md is conforming, and the page shows exactly its code. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { describeBackend } from '@stockpile/testkit';
import { DirectoryBackend } from '../src/write-a-backend/directory-backend.js';
import { pagesIn } from '../src/write-a-backend/main.js';

const SOURCES = 'examples/src/write-a-backend';
const root = mkdtempSync(join(tmpdir(), 'directory-backend-'));
afterAll(() => rmSync(root, { recursive: true }));
let last = root;

describeBackend({
  name: 'directory',
  runner: { describe, test },
  create({ clock }) {
    last = mkdtempSync(join(root, 'storage-'));
    return new DirectoryBackend(last, clock);
  },
  connect: ({ clock }) => new DirectoryBackend(last, clock),
  stores: 'bytes',
  capabilities: ['sync', 'ttl', 'enumerate', 'clear'],
  clock: 'injected',
});

test('the application of the page finds on disk what an earlier run has stored', async () => {
  const path = join(root, 'pages');
  const first = pagesIn(path);
  expect(await first.getOrCreate('home', async () => '<h1>Home</h1>')).toBe('<h1>Home</h1>');
  const later = pagesIn(path);
  expect(await later.get('home')).toBe('<h1>Home</h1>');
});

describe('docs/write-a-backend.md', () => {
  const page = readFileSync('docs/write-a-backend.md', 'utf8');

  for (const file of ['directory-backend.ts', 'register.ts', 'main.ts', 'conformance.ts']) {
    test(`shows ${file} as it is`, () => {
      const shown = [...page.matchAll(/^```ts (\S+)\n(.*?)^```$/gms)]
        .filter(([, name]) => name === file)
        .map(([, , code]) => code)
        .join('\n');
      expect(shown).toBe(readFileSync(join(SOURCES, file), 'utf8'));
    });
  }

  test('needs fewer than 80 lines of code for it', () => {
    const lines = readFileSync(join(SOURCES, 'directory-backend.ts'), 'utf8').split('\n');
    expect(lines.filter((line) => line.trim() !== '').length).toBeLessThan(80);
  });
});
