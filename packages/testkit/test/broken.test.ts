/** Every test of the suite can fail: each mistake turns the tests red that are there to find it. */

import { describe, expect, test } from '@jest/globals';
import { MISTAKES } from './broken/index.js';
import { collect } from './collect.js';
import { bytes, values } from './specs.js';

const everRed = new Set<string>();

describe('describeBackend finds out when', () => {
  for (const { what, options, red: expected } of MISTAKES) {
    test.concurrent(what, async () => {
      const groups = expected.map((title) => title.slice(0, title.indexOf(':')));
      const { red } = await collect(options, groups, 1000);
      for (const title of red.keys()) everRed.add(title);
      const titles = [...red.keys()];
      const missed = expected.filter((start) => !titles.some((title) => title.startsWith(start)));
      expect(missed).toEqual([]);
    }, 60_000);
  }

  test('anything that it tests is broken: no test of the suite is green for all mistakes', async () => {
    const all = new Set<string>();
    for (const options of [values(), bytes(), { ...values(), capabilities: [] }]) {
      for (const title of (await collect(options)).titles) all.add(title);
    }
    expect([...all].filter((title) => !everRed.has(title))).toEqual([]);
  });
});
