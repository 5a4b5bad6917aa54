/** docs/shm-layout.md says what native/layout.h says: its tables are compiled as static assertions against the structs. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';

const PAGE = readFileSync(new URL('../../../docs/shm-layout.md', import.meta.url), 'utf8');
const NATIVE = fileURLToPath(new URL('../native', import.meta.url));
const BYTES: Readonly<Record<string, number>> = { u8: 1, u32: 4, u64: 8 };

interface Row {
  readonly struct: string;
  readonly offset: number;
  readonly bytes: number;
  readonly field: string;
}

/** The rows of the tables whose header is `| offset | type | \`Struct\` | …`. */
function rowsOf(page: string): Row[] {
  let struct: string | undefined;
  return page.split('\n').flatMap((line): Row[] => {
    const cells = line.split('|').map((cell) => cell.trim());
    if (cells[1] === 'offset') struct = cells[3]?.replaceAll('`', '');
    else if (!line.startsWith('|')) struct = undefined;
    const field = /^`(\w+)`$/.exec(cells[3] ?? '')?.[1];
    if (struct === undefined || field === undefined || !/^\d+$/.test(cells[1] ?? '')) return [];
    return [{ struct, offset: Number(cells[1]), bytes: BYTES[cells[2] as string] as number, field }];
  });
}

/** What the compiler says: empty if all assertions hold. */
function compile(rows: readonly Row[]): string {
  const assertions = rows.flatMap(({ struct, offset, bytes, field }) => [
    `static_assert(offsetof(${struct}, ${field}) == ${offset}, "${struct}.${field}");`,
    `static_assert(sizeof(std::remove_all_extents_t<decltype(${struct}::${field})>) == ${bytes}, "size of ${struct}.${field}");`,
  ]);
  const source = ['#include <type_traits>', '#include "layout.h"', 'using namespace stockpile;', ...assertions];
  try {
    execFileSync(process.env.CXX ?? 'c++', ['-std=c++20', '-fsyntax-only', '-I', NATIVE, '-x', 'c++', '-'], {
      input: source.join('\n'),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    return '';
  } catch (error) {
    return String((error as { stderr: Buffer }).stderr);
  }
}

test('each table of the page holds for the struct of its name', () => {
  const rows = rowsOf(PAGE);
  expect(new Set(rows.map(({ struct }) => struct))).toEqual(
    new Set([
      'ImmutableHeader',
      'MutableHeader',
      'Participant',
      'ShardHeader',
      'RecordHeader',
      'LockEntry',
      'EventSlot',
    ]),
  );
  expect(rows.length).toBeGreaterThan(60);
  expect(compile(rows)).toBe('');
});

test('a wrong offset on the page would be noticed', () => {
  const [first, ...rest] = rowsOf(PAGE) as [Row, ...Row[]];
  expect(compile([{ ...first, offset: first.offset + 4 }, ...rest])).toContain(`${first.struct}.${first.field}`);
});
