/** The table of docs/choose-a-backend.md says of each backend what the code says. */

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { capabilityTable, PAGE, withTable } from '../../scripts/capability-table.js';

/** The cell of a backend in a row, both by their titles. */
function cellOf(backend: string, row: string): string | undefined {
  const [titles = [], ...rows] = capabilityTable()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));
  return rows.find((cells) => cells[1] === row)?.[titles.indexOf(`\`${backend}\``)];
}

test('the page has the table of now; else: npm run build && node scripts/capability-table.js --write', () => {
  const page = readFileSync(PAGE, 'utf8');
  expect(page).toBe(withTable(page));
});

test('a table that is out of date is replaced, and nothing else', () => {
  const page = readFileSync(PAGE, 'utf8');
  const table = capabilityTable();
  expect(page).toContain(table);
  expect(withTable(page.replace(table, table.replace('yes', 'no')))).toBe(page);
  expect(() => withTable(page.replaceAll('<!--', ''))).toThrow(/the page lacks the lines <!-- capabilities/);
});

test.each([
  ['lru', 'keeps', 'values'],
  ['redis', 'keeps', 'bytes'],
  ['lru', '`locks`', 'no'],
  ['memcached', '`locks`', 'yes'],
  ['memcached', 'locks are fenced', 'no'],
  ['shm', 'locks are fenced', 'yes'],
  ['redis', 'locks are fenced', 'yes'],
  ['redis', 'shared invalidation', 'yes'],
  ['memcached', 'shared invalidation', 'no'],
  ['memcached', '`enumerate`', 'no'],
  ['keyv', '`sync`', 'by store'],
  ['keyv', 'can be down', 'by store'],
  ['null', '`counters`', 'no'],
])('%s, %s: %s', (backend, row, cell) => {
  expect(cellOf(backend, row)).toBe(cell);
});
