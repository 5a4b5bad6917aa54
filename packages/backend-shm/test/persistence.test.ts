import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Segment, type SegmentOptions, ShmBackend, unlinkSegment } from '@stockpile/backend-shm';
import { createRegion, NO_VALUE } from '@stockpile/core';
import { errorOf } from './helpers/errors.js';
import { closeAll, closing, freshName } from './helpers/segments.js';

let root = '';
let name = '';
let snapshotDir = '';
let file = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stockpile-shm-'));
  snapshotDir = join(root, 'snapshots');
  name = freshName();
  file = join(snapshotDir, `${name}.snapshot`);
});

afterEach(async () => {
  jest.restoreAllMocks();
  await closeAll();
  unlinkSegment(name, { dir: root });
  rmSync(root, { recursive: true, force: true });
});

function options(more: SegmentOptions = {}): SegmentOptions {
  return { name, size: '2M', dir: root, lifetime: 'persistent', snapshotDir, snapshotInterval: Infinity, ...more };
}

/** As after a restart of the machine: the segment is gone, the snapshot is there. */
function restart(): Segment {
  expect(unlinkSegment(name, { dir: root })).toBe(true);
  return closing(Segment.open(options()));
}

test('what was there at the close is there after a restart', async () => {
  const segment = Segment.open(options());
  segment.set('text', 'grüß');
  segment.set('bytes', Buffer.of(0, 1, 2));
  segment.set('number', 1.5);
  segment.set('ended', 'x', { ttl: 1 });
  segment.set('ends', 'x', { ttl: '1h' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  segment.close();
  expect(statSync(snapshotDir).mode & 0o777).toBe(0o700);
  const after = restart();
  expect(after.created).toBe(true);
  expect([after.get('text'), after.get('bytes'), after.get('number')]).toEqual(['grüß', Buffer.of(0, 1, 2), 1.5]);
  expect(after.get('ended')).toBeUndefined();
  expect(after.getEntry('ends')?.expiresIn).toBeLessThanOrEqual(3_600_000);
});

test('an interval writes what is there', async () => {
  const segment = closing(Segment.open(options({ snapshotInterval: 20 })));
  segment.set('a', 'x');
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5));
  const after = restart();
  expect(after.get('a')).toBe('x');
});

test('one that was written just now is enough, but not for the last one to leave', () => {
  const first = Segment.open(options());
  first.set('a', '1');
  first.close(); // alone: written
  const written = statSync(file).mtimeMs;
  utimesSync(file, new Date(1000), new Date(1000));
  const again = Segment.open(options());
  again.set('a', '2');
  again.close();
  expect(statSync(file).mtimeMs).toBeGreaterThanOrEqual(written);
  expect(restart().get('a')).toBe('2');
});

test('a snapshot that cannot be written is one warning, and no error', async () => {
  const warning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const segment = Segment.open(options({ snapshotInterval: 10 }));
  segment.set('a', 'x');
  rmSync(snapshotDir, { recursive: true });
  while (warning.mock.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(segment.get('a')).toBe('x');
  segment.close();
  expect(warning).toHaveBeenCalledTimes(1);
  expect(String(warning.mock.calls[0]?.[0])).toMatch(/no snapshot could be written to .*ENOENT/);
});

test('a snapshot that cannot be read is a cold start with a warning', () => {
  const segment = Segment.open(options());
  segment.set('a', 'x');
  segment.close();
  writeFileSync(file, 'x'.repeat(1000));
  const warning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const after = restart();
  expect(after.get('a')).toBeUndefined();
  expect(warning).toHaveBeenCalledTimes(1);
  expect(after.set('a', 'new')).toBe(true);
});

test('a directory that others can write to is refused', () => {
  chmodSync(root, 0o777);
  const error = errorOf(() => Segment.open(options({ snapshotDir: root, dir: '/dev/shm' })));
  chmodSync(root, 0o700);
  expect(error.code).toBe('ERR_STOCKPILE_SHM_MODE');
  expect(error.message).toMatch(/snapshotDir.*chmod 700/);
  writeFileSync(join(root, 'file'), '');
  expect(errorOf(() => Segment.open(options({ snapshotDir: join(root, 'file') }))).code).toBe('ERR_STOCKPILE_SHM_DIR');
});

describe('a segment that somebody has made without snapshots', () => {
  let told: string[];

  beforeEach(() => {
    told = [];
    jest.spyOn(process, 'emitWarning').mockImplementation((text) => void told.push(String(text)));
    const segment = Segment.open(options());
    segment.set('a', 'x');
    segment.close();
    expect(unlinkSegment(name, { dir: root })).toBe(true);
    closing(Segment.open({ name, dir: root, size: '2M' }));
  });

  test('is used with a warning, and does not take the place of the snapshot', async () => {
    const before = statSync(file);
    for (let i = 0; i < 2; i++) {
      const segment = Segment.open(options({ snapshotInterval: 5 }));
      segment.set('b', 'x');
      expect(segment.get('a')).toBeUndefined();
      await new Promise((resolve) => setTimeout(resolve, 30));
      segment.close();
    }
    await closeAll();
    expect([statSync(file).ino, statSync(file).mtimeMs]).toEqual([before.ino, before.mtimeMs]);
    expect(told).toEqual([expect.stringMatching(/lifetime is 'boot', not 'persistent' .*no snapshot.*as it is/)]);
    expect(restart().get('a')).toBe('x');
  });

  test('is found out also where it took the place of another', () => {
    const segment = closing(Segment.open(options({ name: `${name}-b` })));
    segment.set('a', 'x');
    unlinkSegment(`${name}-b`, { dir: root });
    // as another process would make it: under a path that this thread does not know
    const alias = join(root, 'alias');
    symlinkSync(root, alias);
    closing(Segment.open({ name: `${name}-b`, dir: alias, size: '2M' }));
    while (!segment.has('b')) segment.set('b', 'x');
    while (segment.has('a')) segment.set('b', 'x');
    expect(told.join()).toMatch(/lifetime is 'boot', not 'persistent'/);
    segment.close();
    expect(existsSync(join(snapshotDir, `${name}-b.snapshot`))).toBe(false);
  });
});

test('who only looks writes no snapshot', () => {
  const segment = closing(Segment.open(options({ snapshotDir: join(root, 'a') })));
  const looker = Segment.open(options({ create: false }));
  expect(looker.created).toBe(segment.created);
  looker.close();
  expect(existsSync(snapshotDir)).toBe(false);
});

test('a directory that cannot be made is an error, also where mkdir would never return', () => {
  const error = errorOf(() => Segment.open(options({ snapshotDir: '/proc/nope/a/b' })));
  expect(error.code).toBe('ERR_STOCKPILE_SHM_DIR');
  const deep = join(root, 'a/b/c');
  closing(Segment.open(options({ snapshotDir: deep })));
  expect(statSync(deep).mode & 0o777).toBe(0o700);
});

test('regions find their entries and invalidations again, and may close while one is written', async () => {
  const { name: segment, ...rest } = options({ snapshotInterval: 10 });
  const args = { ...rest, segment };
  const region = createRegion({ name: 'users' }).configure('shm', { arguments: args });
  await region.set('old', 1);
  await region.invalidate();
  await region.set('new', 2);
  await region.increment('n', 5);
  await new Promise((resolve) => setTimeout(resolve, 30));
  await region.close();
  expect(unlinkSegment(name, { dir: root })).toBe(true);
  const after = closing(createRegion({ name: 'users' }).configure('shm', { arguments: args }));
  expect(await after.getMulti(['old', 'new', 'n'])).toEqual([NO_VALUE, 2, 5]);
  expect(after.actualBackend).toBeInstanceOf(ShmBackend);
});
