/** Odd keys, and how a driver may refuse them. */

import assert from 'node:assert/strict';
import { StockpileError } from '@stockpile/core';
import { TIMEOUT, within } from './kit.js';

/** Keys that storages are known to confuse or to choke on. */
export const ODD_KEYS: readonly string[] = [
  ' ',
  'a b',
  'a  b',
  'a\nb',
  'a\r\nb',
  'a\tb',
  'a\0b',
  'a\0c',
  'a',
  'A',
  'é',
  'e\u0301', // the same letter in two parts
  '😀',
  '__proto__',
  'constructor',
  'toString',
  '.',
  '..',
  '/',
  'a/b',
  'a\\b',
  '../../a',
  'a:b',
  'a%3Ab',
  'a*',
  '{a}b',
  '"quoted"',
  "'; DROP TABLE cache; --",
  'k'.repeat(250),
  'k'.repeat(251),
  'k'.repeat(65_536),
  `${'k'.repeat(65_535)}l`,
  'ü'.repeat(32_768),
];

/** Ends in time, either well or with a ValidationError that names the limit. */
export async function refusalOr(work: () => Promise<void>, key: string): Promise<void> {
  try {
    await within(work(), TIMEOUT, `the operation on ${shown(key)}`);
  } catch (error) {
    if (!(error instanceof StockpileError && error.code === 'ERR_STOCKPILE_VALIDATION')) throw error;
    assert.match(error.message, /\d/, `the refusal of ${shown(key)} must name the limit: ${error.message}`);
  }
}

/** For messages. */
export function shown(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 20)}…${key.slice(-5)} (${key.length})` : key);
}
