import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
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

test('regions find their entries and invalidations again, and may close while one is written', async () => {
  const args = { ...options({ snapshotInterval: 10 }), segment: name };
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
