import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createRegion, NullBackend } from '@stockpile/core';
import { differences } from '../src/demo/check.js';
import { bytes, duration, painter, percent } from '../src/demo/format.js';
import { readOptions, UsageError } from '../src/demo/options.js';
import { findPackages } from '../src/demo/packages.js';
import { Progress } from '../src/demo/progress.js';
import { makeReport, type Report } from '../src/demo/report.js';
import { resultOf } from '../src/demo/result.js';
import { timeSaved } from '../src/demo/result-table.js';
import { tableLines } from '../src/demo/table.js';
import { runWorkload } from '../src/demo/workload.js';
import { coveringSequence, shuffled, zipfSequence } from '../src/demo/zipf.js';
import { link, temporaryDirectory, writeCheckout, writeTree } from './installed-tree.js';

const checkout = temporaryDirectory();
beforeAll(() => writeCheckout(checkout.path));
afterAll(() => checkout.remove());

const report = (name: string): Promise<Report> => makeReport(join(checkout.path, 'node_modules', name));

describe('findPackages', () => {
  test('finds plain, scoped and nested packages and what is installed in a workspace, each once', async () => {
    expect((await findPackages(checkout.path))?.map(({ key }) => key)).toEqual([
      'node_modules/@scope/d',
      'node_modules/@scope/d/node_modules/c',
      'node_modules/a',
      'node_modules/b',
      'node_modules/c',
      'node_modules/odd',
      'packages/ws/node_modules/inner',
    ]);
  });

  test('finds the neighbours in a linked store', async () => {
    const { path, remove } = temporaryDirectory();
    writeTree(path, {
      'node_modules/.pnpm/p@1/node_modules/p/package.json': { name: 'p', version: '1.0.0', dependencies: { q: '*' } },
      'node_modules/.pnpm/q@1/node_modules/q/package.json': { name: 'q', version: '1.0.0', dependencies: { p: '*' } },
    });
    link(path, 'node_modules/p', '.pnpm/p@1/node_modules/p');
    link(path, 'node_modules/.pnpm/p@1/node_modules/q', '../../q@1/node_modules/q');
    link(path, 'node_modules/.pnpm/q@1/node_modules/p', '../../p@1/node_modules/p');
    const found = (await findPackages(path)) ?? [];
    expect(found.map(({ key }) => key)).toEqual([
      'node_modules/.pnpm/p@1/node_modules/p',
      'node_modules/.pnpm/q@1/node_modules/q',
    ]);
    expect((await makeReport(found[0]?.directory ?? '')).closure).toEqual(['q@1.0.0']);
    remove();
  });

  test('tells no node_modules from an empty one', async () => {
    const { path, remove } = temporaryDirectory();
    expect(await findPackages(path)).toBeUndefined();
    mkdirSync(join(path, 'node_modules'));
    expect(await findPackages(path)).toEqual([]);
    remove();
  });
});

describe('makeReport', () => {
  test('counts the files and bytes of the package, not of what is installed inside it', async () => {
    const json = JSON.stringify({ name: 'a', version: '1.0.0', license: 'MIT', dependencies: { b: '*' } });
    expect(await report('a')).toMatchObject({
      name: 'a',
      version: '1.0.0',
      files: 3,
      bytes: json.length + 'first'.length + 'second'.length,
    });
    expect((await report('@scope/d')).files).toBe(1);
  });

  test('reads the licence in every form that npm has known', async () => {
    expect((await report('a')).licence).toBe('MIT');
    expect((await report('b')).licence).toBe('ISC');
    expect((await report('@scope/d')).licence).toBe('MIT OR Apache-2.0');
    expect((await report('c')).licence).toBe('none stated');
  });

  test('follows dependencies through a cycle, without the package itself', async () => {
    expect((await report('a')).closure).toEqual(['b@2.0.0', 'c@1.0.0']);
    expect((await report('b')).closure).toEqual(['a@1.0.0', 'c@1.0.0']);
  });

  test('resolves as Node does: the nearest one, and from the real place of a link', async () => {
    expect((await report('@scope/d')).closure).toEqual(['c@9.0.0', 'inner@1.0.0', 'ws@0.0.0']);
  });

  test('names what is required and not installed; optional and peer dependencies may be absent', async () => {
    expect((await report('c')).missing).toEqual(['gone']);
    expect((await report('a')).missing).toEqual(['gone']);
  });

  test('makes do with a package.json that is no JSON', async () => {
    expect(await report('odd')).toMatchObject({ name: '(no name)', licence: 'none stated', files: 1, closure: [] });
  });

  test('rejects where there is no package', async () => {
    await expect(report('no-package')).rejects.toThrow(/no-package is no package: it has no package.json/);
  });

  test('hashes paths and contents, wherever and in whatever order they were written', async () => {
    const { path, remove } = temporaryDirectory();
    const json = { name: 'x', version: '1.0.0' };
    writeTree(path, {
      'one/package.json': json,
      'one/a': 'b',
      'one/b/c': 'd',
      'two/b/c': 'd',
      'two/a': 'b',
      'two/package.json': json,
      'two/node_modules/y/package.json': json,
      'content/package.json': json,
      'content/a': 'B',
      'content/b/c': 'd',
      'renamed/package.json': json,
      'renamed/A': 'b',
      'renamed/b/c': 'd',
      'moved/package.json': json,
      'moved/a': '',
      'moved/b/c': 'bd',
      'linked/package.json': json,
      'linked/b/c': 'd',
    });
    link(path, 'linked/a', 'b');
    const hash = async (name: string): Promise<string> => (await makeReport(join(path, name))).sha256;
    expect(await hash('one')).toMatch(/^[0-9a-f]{64}$/);
    expect(await hash('two')).toBe(await hash('one'));
    const others = await Promise.all(['one', 'content', 'renamed', 'moved', 'linked'].map(hash));
    expect(new Set(others).size).toBe(5);
    remove();
  });
});

describe('zipfSequence', () => {
  test('is the same for the same seed and another one for another', () => {
    expect(zipfSequence(100, 1000, 7)).toEqual(zipfSequence(100, 1000, 7));
    expect(zipfSequence(100, 1000, 7)).not.toEqual(zipfSequence(100, 1000, 8));
    expect(zipfSequence(100, 500, 7)).toEqual(zipfSequence(100, 1000, 7).subarray(0, 500));
  });

  test('asks for the n-th about 1/n times as often as for the first, and for nothing else', () => {
    const times = new Array<number>(50).fill(0);
    for (const index of zipfSequence(50, 100_000, 1)) times[index] = (times[index] ?? Number.NaN) + 1;
    const [first = 0, second = 0, , , fifth = 0] = times;
    expect(first / second).toBeCloseTo(2, 0);
    expect(first / fifth).toBeCloseTo(5, 0);
    expect(times.reduce((sum, one) => sum + one)).toBe(100_000);
    expect(zipfSequence(1, 3, 1)).toEqual(Uint32Array.of(0, 0, 0));
  });

  test('coveringSequence is a Zipf sequence, followed by what it left out', () => {
    const sequence = coveringSequence(1000, 50, 7);
    expect(sequence.subarray(0, 50)).toEqual(zipfSequence(1000, 50, 7));
    expect(new Set(sequence).size).toBe(1000);
    expect(coveringSequence(2, 5000, 7)).toEqual(zipfSequence(2, 5000, 7));
  });

  test('shuffled keeps the items and repeats their order', () => {
    const items = Array.from({ length: 20 }, (_, index) => index);
    expect(shuffled(items, 3)).toEqual(shuffled(items, 3));
    expect(shuffled(items, 3)).not.toEqual(items);
    expect(shuffled(items, 3).sort((a, b) => a - b)).toEqual(items);
  });
});

describe('runWorkload', () => {
  const workloadOf = async (requests: number) => {
    const packages = (await findPackages(checkout.path)) ?? [];
    return { packages, sequence: zipfSequence(packages.length, requests, 1), callers: 4 };
  };

  test('runs the creator for each request of an uncached region, and answers rightly', async () => {
    const workload = await workloadOf(30);
    const region = createRegion<Report>({ name: 'packages' }).configure('null');
    const work = await runWorkload(region, workload, Infinity, () => {});
    const result = resultOf([work]);
    expect(result).toMatchObject({
      processes: 1,
      requests: 30,
      creatorCalls: 30,
      hitRatio: 0,
      keys: work.answers.size,
    });
    for (const { key, directory } of workload.packages) {
      if (work.answers.has(key)) expect(work.answers.get(key)).toEqual(await makeReport(directory));
    }
    expect(result.p99).toBeGreaterThanOrEqual(result.p50);
    expect(result.p50).toBeGreaterThan(0);
  });

  test('ends at its limit', async () => {
    const region = createRegion<Report>({ name: 'packages' }).configure('null');
    const result = resultOf([await runWorkload(region, await workloadOf(1_000_000), 50, () => {})]);
    expect(result.requests).toBeGreaterThan(0);
    expect(result.requests).toBeLessThan(1_000_000);
    expect(result.elapsed).toBeGreaterThan(49.9); // ms since 1970 have few digits left for fractions
  });

  test('rejects with what a creator throws, and stops', async () => {
    const packages = [{ key: 'x', directory: join(checkout.path, 'nowhere') }];
    const region = createRegion<Report>({ name: 'packages' }).configure(new NullBackend());
    const workload = { packages, sequence: new Uint32Array(1000), callers: 4 };
    await expect(runWorkload(region, workload, Infinity, () => {})).rejects.toThrow(/is no package/);
    expect(region.stats().creationErrors).toBeLessThanOrEqual(4);
  });
});

describe('differences', () => {
  const packages = [{ key: 'node_modules/a', directory: join(checkout.path, 'node_modules/a') }];

  test('names the package, the backend and the field', async () => {
    const right = await report('a');
    const expected = new Map([['node_modules/a', right]]);
    expect(await differences('lru', packages, expected, new Map(expected))).toEqual([]);
    expect(await differences('lru', packages, expected, new Map([['node_modules/a', { ...right, files: 7 }]]))).toEqual(
      ['Different: lru gave another report of node_modules/a: files 7 instead of 3.'],
    );
  });

  test('says so when the files themselves have changed', async () => {
    const old = { ...(await report('a')), bytes: 1 };
    const answers = new Map([['node_modules/a', await report('a')]]);
    expect(await differences('lru', packages, new Map([['node_modules/a', old]]), answers)).toEqual([
      'Not comparable: the files of node_modules/a changed while the demo ran; run it again.',
    ]);
  });
});

describe('readOptions', () => {
  test('has defaults and reads numbers', () => {
    const defaults = { backend: undefined, keys: Infinity, workers: undefined, callers: 16, seconds: 5 };
    expect(readOptions([])).toEqual(defaults);
    expect(readOptions(['--backend', 'lru', '--keys=9', '--workers', '2', '--callers=8', '--seconds', '0.5'])).toEqual({
      backend: 'lru',
      keys: 9,
      workers: 2,
      callers: 8,
      seconds: 0.5,
    });
    expect(readOptions(['--keys', '9', '--help'])).toBe('help');
  });

  test.each(['shm', 'redis', 'memcached'])('%s is for several processes, unless it is told otherwise', (name) => {
    expect(readOptions(['--backend', name])).toMatchObject({ workers: 4 });
    expect(readOptions(['--backend', name, '--workers', '1'])).toMatchObject({ workers: 1 });
  });

  test('others are for one', () => {
    expect(readOptions(['--backend', 'lru'])).toMatchObject({ workers: undefined });
    expect(readOptions(['--backend', 'keyv'])).toMatchObject({ workers: undefined });
  });

  test.each([
    [['--keys', '0'], "--keys: '0' is not a whole number from 1 to 100,000; leave it out for all packages"],
    [['--keys', '-5'], "--keys: '-5' is not a whole number from 1 to 100,000; leave it out for all packages"],
    [['--keys='], "--keys: '' is not a whole number from 1 to 100,000; leave it out for all packages"],
    [['--workers', '1.5'], "--workers: '1.5' is not a whole number from 1 to 32; leave it out for one process"],
    [['--workers', '33'], "--workers: '33' is not a whole number from 1 to 32; leave it out for one process"],
    [['--callers', 'many'], "--callers: 'many' is not a whole number from 1 to 256; leave it out for 16"],
    [['--seconds', '1e9'], "--seconds: '1e9' is not a number from 0.1 to 15; leave it out for 5"],
    [['--seconds', 'NaN'], "--seconds: 'NaN' is not a number from 0.1 to 15; leave it out for 5"],
    [['--second', '1'], "Unknown option '--second'; --help shows the options"],
    [['lru'], "Unexpected argument 'lru'; --help shows the options"],
    [['--backend='], '--backend: is empty; give the name of one, or leave it out for all'],
  ])('refuses %j', (args, message) => {
    expect(() => readOptions(args)).toThrow(new UsageError(message));
  });
});

describe('the output', () => {
  test('a table is aligned, and gives up columns by rank where the terminal is narrow', () => {
    const columns = [
      { title: 'name', text: (row: { name: string; n: number }) => row.name, align: 'left' as const },
      { title: 'n', text: (row: { n: number }) => `${row.n}` },
      { title: 'double', text: (row: { n: number }) => `${row.n * 2}`, rank: 1 },
      { title: 'square', text: (row: { n: number }) => `${row.n ** 2}`, rank: 2 },
    ];
    const rows = [
      { name: 'long name', n: 5 },
      { name: 'x', n: 120 },
    ];
    expect(tableLines(columns, rows)).toEqual([
      'name         n  double  square',
      '---------  ---  ------  ------',
      'long name    5      10      25',
      'x          120     240   14400',
    ]);
    expect(tableLines(columns, rows, 29)[0]).toBe('name         n  double');
    expect(tableLines(columns, rows, 10)[0]).toBe('name         n');
  });

  test('progress is one line on a terminal, and never wider than it', () => {
    const written: string[] = [];
    let now = 0;
    const progress = new Progress({ isTTY: true, columns: 40, write: (text) => written.push(text) }, () => now);
    progress.start('lru', 'requests');
    for (; now < 300; now += 10) progress.update(now, now / 300);
    progress.stop();
    expect(written).toHaveLength(4);
    expect(written.every((text) => text.startsWith('\r\x1b[2K') && !text.includes('\n'))).toBe(true);
    expect(Math.max(...written.map((text) => text.slice(5).length))).toBeLessThan(40);
  });

  test('progress elsewhere is a plain line now and then', () => {
    const written: string[] = [];
    let now = 0;
    const progress = new Progress({ write: (text) => written.push(text) }, () => now);
    progress.start('lru', 'requests');
    for (; now <= 7000; now += 10) progress.update(now, now / 7000);
    progress.stop();
    expect(written).toEqual([
      `lru              ${'█'.repeat(9)}${'░'.repeat(11)} 3,000 requests, 1,000/s\n`,
      `lru              ${'█'.repeat(17)}${'░'.repeat(3)} 6,000 requests, 1,000/s\n`,
    ]);
  });

  test('colours are for terminals that want them', () => {
    expect(painter({ isTTY: true }, {})('red', 'x')).toBe('\x1b[31mx\x1b[39m');
    expect(painter({ isTTY: true }, { NO_COLOR: '1' })('red', 'x')).toBe('x');
    expect(painter({ isTTY: true }, { TERM: 'dumb' })('red', 'x')).toBe('x');
    expect(painter({}, {})('red', 'x')).toBe('x');
  });

  test('numbers are for people', () => {
    expect([0.00042, 0.5, 12.345, 4200, 99_949, 200_400, -61_000].map(duration)).toEqual([
      '0.4 µs',
      '500.0 µs',
      '12.3 ms',
      '4.2 s',
      '99.9 s',
      '3 min 20 s',
      '-61.0 s',
    ]);
    expect([0, 999, 1000, 215_556_238].map(bytes)).toEqual(['0 bytes', '999 bytes', '1.0 kB', '215.6 MB']);
    expect([0, 0.9999, 1].map(percent)).toEqual(['0.0 %', '99.9 %', '100.0 %']);
  });

  test('time saved is what the requests would have cost uncached, minus what they did cost', () => {
    expect(timeSaved({ requests: 100, elapsed: 500 }, { requests: 10, elapsed: 2000 })).toBe(100 * 200 - 500);
  });
});
