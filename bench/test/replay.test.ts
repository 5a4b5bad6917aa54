import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { parseCommandLine } from '../src/replay-options.js';
import { replay } from '../src/replayer.js';
import { findTrace, parseTrace, readTrace, TRACES } from '../src/trace.js';

/** Requests for keys of which small numbers are wanted more often; the same ones every time. */
function generated(requests: number): string[] {
  let state = 42;
  return Array.from({ length: requests }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return `key${Math.floor((state / 2 ** 31) ** 3 * 200)}`;
  });
}

/** The hits of a textbook LRU. */
function hitsOfLru(keys: readonly string[], items: number): { hits: number; evictions: number } {
  const held = new Set<string>();
  let hits = 0;
  let evictions = 0;
  for (const key of keys) {
    if (held.delete(key)) hits++;
    else if (held.size === items) {
      evictions++;
      held.delete(held.values().next().value as string);
    }
    held.add(key);
  }
  return { hits, evictions };
}

test('lru hits exactly as often as the textbook says', async () => {
  const keys = generated(5000);
  const trace = parseTrace(keys.join('\n'));
  for (const items of [1, 10, 50, 500]) {
    const result = await replay(trace, { backend: 'lru', items, valueSize: 8 });
    const { hits, evictions } = hitsOfLru(keys, items);
    expect({ hits: result.hits, evictions: result.evictions }).toEqual({ hits, evictions });
    expect(result.hitRatio).toBe(hits / 5000);
    expect(result.entries).toBe(Math.min(items, result.uniqueKeys));
  }
});

test('a bound in bytes counts the sizes of the trace', async () => {
  const trace = parseTrace(['a,100000', 'b,100000', 'a,100000', 'c,900000', 'a,100000', 'b,100000'].join('\n'));
  const roomy = await replay(trace, { backend: 'lru', size: 2 ** 21, valueSize: 1 });
  expect(roomy).toMatchObject({ hits: 3, evictions: 0, entries: 3 });
  const tight = await replay(trace, { backend: 'lru', size: 1_050_000, valueSize: 1 });
  expect(tight).toMatchObject({ hits: 2, evictions: 2, entries: 2 });
});

test.each(['memory', 'memory-pickle'] as const)('%s misses each key once', async (backend) => {
  const keys = generated(1000);
  const result = await replay(parseTrace(keys.join('\n')), { backend, valueSize: 8 });
  expect(result).toMatchObject({ requests: 1000, hits: 1000 - new Set(keys).size, evictions: 0 });
  expect(result.entries).toBe(result.uniqueKeys);
  expect(result.p99).toBeGreaterThanOrEqual(result.p50);
});

test('a trace is read from gzip or plain text, with sizes where it has them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'stockpile-replay-'));
  try {
    await writeFile(join(folder, 'small.gz'), gzipSync('a,1\nb,x,20\n\nc\n'));
    await writeFile(join(folder, 'plain'), 'a,1\nb,x,20\n\nc\n');
    for (const name of ['small.gz', 'plain']) {
      const trace = readTrace(findTrace(name, folder));
      expect(trace).toEqual({ keys: ['a', 'b,x', 'c'], sizes: [1, 20, undefined] });
    }
    expect(() => findTrace('absent', folder)).toThrow(`no trace 'absent': looked at ${join(folder, 'absent')}`);
  } finally {
    await rm(folder, { recursive: true });
  }
  expect(() => parseTrace('\n')).toThrow('holds no request');
});

test('the command line is checked with words that help', () => {
  expect(parseCommandLine(['web07', '--size', '1M'])).toEqual({
    trace: 'web07',
    backend: 'lru',
    size: 2 ** 20,
    items: undefined,
    valueSize: 1024,
    notes: [],
  });
  expect(parseCommandLine(['t', '--items', '5', '--value-size', '10'])).toMatchObject({ items: 5, valueSize: 10 });
  expect(parseCommandLine(['t', '--size', '4096'])).toMatchObject({ size: 4096 });
  expect(parseCommandLine(['t', '--backend', 'memory', '--size', '1M']).notes[0]).toContain("'memory' has no bound");
  expect(() => parseCommandLine([])).toThrow('TRACE is missing');
  expect(() => parseCommandLine(['t', '--backend', 'redis'])).toThrow(
    "--backend: there is no 'redis'; choose memory, memory-pickle, lru",
  );
  for (const size of ['x', '1X', '0', '']) expect(() => parseCommandLine(['t', '--size', size])).toThrow('--size');
  for (const items of ['x', '0', '1.5']) expect(() => parseCommandLine(['t', '--items', items])).toThrow('--items');
});

const there = existsSync(TRACES);
if (!there) console.warn(`${TRACES} is not there: the tests with real traces are skipped`);

(there ? test : test.skip)('real traces: read whole, and lru as the textbook says', async () => {
  for (const [name, requests] of [
    ['web07', 76_118],
    ['web12', 95_607],
    ['corda-vault', 135_702],
  ] as const) {
    const trace = readTrace(findTrace(name));
    expect(trace.keys).toHaveLength(requests);
    const result = await replay(trace, { backend: 'lru', items: 1000, valueSize: 0 });
    expect(result.hits).toBe(hitsOfLru(trace.keys, 1000).hits);
  }
  expect(readTrace(findTrace('cdn-request')).sizes.slice(0, 3)).toEqual([68, 7454, 40773]);
});
