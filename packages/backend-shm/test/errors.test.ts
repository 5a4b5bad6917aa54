/** Every error has its row in docs/errors.md, and every row its error. */

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import {
  SegmentError,
  SegmentFullError,
  SegmentOpenError,
  ShardBusyError,
  UnsupportedPlatformError,
} from '@stockpile/backend-shm';
import { StockpileError } from '@stockpile/core';

const source = readFileSync(new URL('../src/errors.ts', import.meta.url), 'utf8');
const docs = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');

/** The members of a union of texts in the source. */
function members(type: string): string[] {
  const union = new RegExp(`export type ${type} =([^]*?);\\n\\n`).exec(source)?.[1] ?? '';
  return [...union.matchAll(/\| '(\w+)'/g)].map(([, name]) => name as string);
}

test('docs/errors.md lists the codes and their classes', () => {
  const codes = new Map<string, string>([
    ...members('SegmentTrouble').map((name) => [`ERR_STOCKPILE_SHM_${name}`, 'SegmentError'] as const),
    ...members('OpenTrouble').map((name) => [`ERR_STOCKPILE_SHM_${name}`, 'SegmentOpenError'] as const),
    ...[SegmentFullError, ShardBusyError, UnsupportedPlatformError].map((made) => {
      const error = new made('a message');
      expect(error).toBeInstanceOf(StockpileError);
      return [error.code, error.name] as const;
    }),
  ]);
  expect(codes.size).toBe(21);
  const rows = [...docs.matchAll(/^\| `(ERR_STOCKPILE_(?:SHM|SEGMENT)_\w+)` +\| `(\w+)`/gm)];
  expect(rows.map(([, code, name]) => [code, name]).sort()).toEqual([...codes].sort());
});

test('codes are made of what went wrong', () => {
  expect(new SegmentError('LOST', 'a message').code).toBe('ERR_STOCKPILE_SHM_LOST');
  expect(new SegmentOpenError('NO_SPACE', 'a message', { requested: 1 })).toMatchObject({
    code: 'ERR_STOCKPILE_SHM_NO_SPACE',
    name: 'SegmentOpenError',
    requested: 1,
  });
});
