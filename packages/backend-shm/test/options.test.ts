import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Segment, SegmentOpenError, type SegmentOptions, ShmBackend, unlinkSegment } from '@stockpile/backend-shm';
import { createRegion, ValidationError } from '@stockpile/core';
import { errorOf } from './helpers/errors.js';
import { closeAll, closing, freshName } from './helpers/segments.js';

let dir = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'stockpile-shm-'));
});

afterEach(async () => {
  jest.restoreAllMocks();
  await closeAll();
  rmSync(dir, { recursive: true, force: true });
});

function open(options: SegmentOptions = {}): Segment {
  return closing(Segment.open({ name: 'test', size: '2M', dir, ...options }));
}

describe('arguments that are wrong name the option, the value and what is allowed', () => {
  test.each<[string, object]>([
    ['segment', { segment: '' }],
    ['segment', { segment: '.hidden' }],
    ['segment', { segment: '../a' }],
    ['segment', { segment: 'a'.repeat(65) }],
    ['segment', { segment: 5.5 }],
    ['segment', { segment: true }],
    ['arguments', { name: 'app' }],
    ['arguments', { sgment: 'app' }],
    ['arguments', { Segment: 'app' }],
    ['nearCache', { nearCache: { max: 100 } }],
    ['nearCache', { nearCache: 100 }],
    ['snapshotDir', { snapshotDir: '/tmp' }],
    ['snapshotInterval', { lifetime: 'boot', snapshotInterval: '1m' }],
    ['size', { size: 'large' }],
    ['size', { size: '1023K' }],
    ['size', { size: '2000G' }],
    ['dir', { dir: 'relative' }],
    ['dir', { dir: 5 }],
    ['maxValueBytes', { maxValueBytes: 0 }],
    ['nearCache', { nearCache: 'yes' }],
    ['nearCache', { nearCache: null }],
    ['nearCache.maxItems', { nearCache: { maxItems: 1 } }],
    ['nearCache.freeze', { nearCache: { freeze: 'no' } }],
    ['lifetime', { lifetime: 'forever' }],
    ['snapshotDir', { lifetime: 'persistent', snapshotDir: 'relative' }],
    ['snapshotInterval', { lifetime: 'persistent', snapshotInterval: 0 }],
    ['meanItemBytes', { meanItemBytes: 15 }],
    ['meanItemBytes', { meanItemBytes: '1.5' }],
    ['whenFull', { whenFull: 'wait' }],
    ['strict', { strict: 1 }],
  ])('%s in %j', (option, args) => {
    const error = errorOf(() => new ShmBackend({ dir, ...args }));
    expect(error).toBeInstanceOf(ValidationError);
    expect(error.message.startsWith(`${option}: `)).toBe(true);
    expect(existsSync(join(dir, `stockpile-${process.geteuid?.()}`))).toBe(false);
  });
});

test('an argument that is near to another says which; those of other backends are ignored', () => {
  const { message } = errorOf(() => new ShmBackend({ dir, mean_item_bytes: 100 } as object));
  expect(message).toBe('arguments: there is no "mean_item_bytes"; is it \'meanItemBytes\'?');
  expect(errorOf(() => new ShmBackend({ dir, name: 'app' } as object)).message).toMatch(/"name".*'segment'/);
  expect(errorOf(() => new ShmBackend({ nearCache: { max: 1 } } as object)).message).toMatch(/"max".*maxItems, freeze/);
  expect(errorOf(() => new ShmBackend({ nearCache: 100 } as object)).message).toMatch(/true, false or \{ maxItems/);
  const foreign = { url: 'redis://cache', db: 1, maxItems: 100, maxBytes: '8M', defaultTtl: '1h', sgment: undefined };
  expect(closing(new ShmBackend({ segment: 'a', dir, size: '2M', ...foreign })).name).toBe('shm');
});

test('what is no object in the place of options is refused, and opens nothing', () => {
  const segment = open();
  const calls: [string, () => unknown][] = [
    [
      'Segment.open: options must be an object like { name: \'app\' }, not "app"',
      () => Segment.open('app' as unknown as object),
    ],
    ['Segment.open: options must be an object', () => Segment.open(['app'] as object)],
    ['Segment.open: there is no "segment"; is it \'name\'?', () => Segment.open({ dir, segment: 'app' } as object)],
    ['Segment.open: there is no "colour"; there are name, ', () => Segment.open({ dir, colour: 'blue' } as object)],
    [
      "unlinkSegment: options must be an object like { dir: '/run/cache' }",
      () => unlinkSegment('test', dir as unknown as object),
    ],
    [
      "set: options must be an object like { ttl: '10m' }, not 60000",
      () => segment.set('a', 'x', 60_000 as unknown as object),
    ],
    ['increment: options must be an object', () => segment.increment('n', 1, 60_000 as unknown as object)],
    ['lock: options must be an object', () => segment.lock('a', '1s' as unknown as object)],
  ];
  for (const [says, call] of calls) {
    const error = errorOf(call);
    expect(error).toBeInstanceOf(ValidationError);
    expect(error.message).toContain(says);
  }
  expect([segment.size, segment.lock('a')]).toEqual([0, expect.any(Number)]);
  expect(unlinkSegment('test', { dir })).toBe(true);
});

test('a segment whose name has only digits keeps it in flat text', () => {
  const region = createRegion().configureFromConfig(
    {
      'cache.backend': 'shm',
      'cache.arguments.segment': '42',
      'cache.arguments.dir': dir,
      'cache.arguments.size': '2M',
    },
    'cache',
  );
  closing(region);
  expect(closing(Segment.open({ name: '42', dir, create: false })).created).toBe(true); // the one of the region
});

test('texts of flat configuration are read as what they mean', () => {
  const args = { segment: 'flat', size: '2097152', dir, strict: 'false', nearCache: 'false', meanItemBytes: '256' };
  const backend = closing(new ShmBackend(args as object));
  expect(backend.decodedCache).toBeUndefined();
});

test('what has no default of its own: name, size and place', () => {
  const segment = closing(Segment.open({ dir }));
  expect(segment.path).toMatch(/stockpile-\d+\/stockpile\.v1\.\w+$/);
  expect(segment.byteSize).toBeGreaterThan(31 * 2 ** 20);
  expect(closing(Segment.open({ dir, name: 'auto', size: 'auto' })).byteSize).toBeLessThanOrEqual(32 * 2 ** 20);
});

describe('another segment than asked for', () => {
  function warnings(): string[] {
    const told: string[] = [];
    jest.spyOn(process, 'emitWarning').mockImplementation((text) => void told.push(String(text)));
    return told;
  }

  test('is used, with one warning', () => {
    const told = warnings();
    const first = open();
    const second = open({ size: '4M', lifetime: 'processes', whenFull: 'throw' });
    open({ size: '4M', lifetime: 'processes', whenFull: 'throw' });
    expect(second.byteSize).toBe(first.byteSize);
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/'test'.*size is 2.0 MB.*not 4.0 MB.*lifetime is 'boot'.*whenFull is 'evict'/);
  });

  test('is used without a word where nothing else was asked for', () => {
    const told = warnings();
    open({ size: '4M', lifetime: 'processes', whenFull: 'throw' });
    closing(Segment.open({ name: 'test', dir }));
    closing(Segment.open({ name: 'test', dir, size: 'auto' }));
    expect(told).toEqual([]);
  });

  test('is an error with strict', () => {
    open();
    const error = errorOf(() => open({ size: '4M', strict: true }));
    expect(error).toBeInstanceOf(SegmentOpenError);
    expect(error.code).toBe('ERR_STOCKPILE_SHM_GEOMETRY');
    expect(error.message).toContain(`unlinkSegment('test', { dir: '${dir}' })`);
    expect(open({ strict: true, lifetime: 'boot' }).size).toBe(0);
  });
});

describe('what cannot be opened says why, and what to do', () => {
  function fileOf(name: string): string {
    const segment = Segment.open({ name, dir, size: '2M' });
    const { path } = segment;
    segment.close();
    return path;
  }

  test('no space: the bytes, and the ways to more', () => {
    const error = errorOf(() => Segment.open({ name: freshName(), size: '900G' })) as SegmentOpenError;
    expect(error).toBeInstanceOf(SegmentOpenError);
    expect(error.code).toBe('ERR_STOCKPILE_SHM_NO_SPACE');
    expect(error.requested).toBeGreaterThan(800 * 2 ** 30);
    expect(error.available).toBeLessThanOrEqual(error.total ?? 0);
    expect(error.message).toContain('900.0 GB (');
    expect(error.cause).toBeUndefined(); // it would only say the same in terms of the engine
    for (const remedy of ['/dev/shm', '--shm-size', 'shm_size', 'emptyDir', "'size'", "'dir'", `${error.available}`]) {
      expect(error.message).toContain(remedy);
    }
  });

  test('a directory that is not there', () => {
    const error = errorOf(() => Segment.open({ dir: join(dir, 'a', 'b') }));
    expect(error.code).toBe('ERR_STOCKPILE_SHM_DIR');
    expect(error.message).toMatch(/ENOENT.*'dir'/);
  });

  test('a directory that others can write to', () => {
    const own = join(dir, `stockpile-${process.geteuid?.()}`);
    mkdirSync(own);
    chmodSync(own, 0o777);
    const error = errorOf(() => open());
    expect(error.code).toBe('ERR_STOCKPILE_SHM_MODE');
    expect(error.message).toMatch(/chmod 700/);
  });

  test('a name that is taken by a symbolic link', () => {
    const path = fileOf('test');
    unlinkSegment('test', { dir });
    writeFileSync(join(dir, 'target'), 'x');
    symlinkSync(join(dir, 'target'), path);
    const error = errorOf(() => open());
    expect(error).toBeInstanceOf(SegmentOpenError);
    expect(error.code).toBe('ERR_STOCKPILE_SHM_KIND');
  });

  test.each([
    ['cut short', (path: string) => truncateSync(path, 10_000)],
    ['of something else', (path: string) => writeFileSync(path, 'x'.repeat(100_000))],
    ['empty', (path: string) => truncateSync(path, 0)],
  ])('a file that is %s', (_what, damage) => {
    damage(fileOf('test'));
    const error = errorOf(() => open());
    expect(error.code).toBe('ERR_STOCKPILE_SHM_LAYOUT');
    expect(error.message).toContain(`unlinkSegment('test', { dir: '${dir}' })`);
    expect(unlinkSegment('test', { dir })).toBe(true);
    expect(open().created).toBe(true);
  });
});
