/** Segments that are removed while they are used, and those that are not to be made. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Segment, type SegmentEvent, type SegmentOptions, ShmBackend, unlinkSegment } from '@stockpile/backend-shm';
import { createRegion, NO_VALUE } from '@stockpile/core';
import { errorOf } from './helpers/errors.js';
import { closeAll, closing, freshName } from './helpers/segments.js';

const NO_SPACE = 'ERR_STOCKPILE_SHM_NO_SPACE';
const ABSENT = 'ERR_STOCKPILE_SHM_ABSENT';
const PATIENCE_MS = 10_000;

const root = mkdtempSync(join(tmpdir(), 'stockpile-shm-'));
/** A file system with room for one segment. */
const tiny = mountTiny(join(root, 'tiny'));
const onTiny = tiny === undefined ? describe.skip : describe;
let name = '';

/** Undefined where this user may not mount. */
function mountTiny(path: string): string | undefined {
  try {
    execFileSync('mkdir', [path]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path], { stdio: 'ignore' });
    return path;
  } catch {
    return undefined;
  }
}

/** As another process has it: by a path that this thread does not know to be the same. */
function aliasOf(dir: string): string {
  const alias = join(root, freshName());
  symlinkSync(dir, alias);
  return alias;
}

/** Tries until `work` gives true, with time for the look at the file that is taken once a second. */
async function until(work: () => boolean): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!work()) {
    if (Date.now() > end) throw new Error('it did not come about');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function codeOf(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code;
  }
}

beforeEach(() => {
  name = freshName();
});

afterEach(async () => {
  jest.restoreAllMocks();
  await closeAll();
});

afterAll(() => {
  if (tiny !== undefined) execFileSync('umount', [tiny]);
  rmSync(root, { recursive: true, force: true });
});

onTiny('where there is room for one segment only (mounts a tmpfs: for root)', () => {
  const dir = tiny as string;

  beforeEach(() => {
    jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  });

  afterEach(async () => {
    await closeAll();
    unlinkSegment(name, { dir });
  });

  test('a removed one is made anew at once by who was alone on it', async () => {
    const segment = closing(Segment.open({ name, dir, size: '3M' }));
    segment.set('old', 'x');
    expect(unlinkSegment(name, { dir })).toBe(true);
    await until(() => segment.set('new', 'x') && !segment.has('old')); // no write throws
    expect([segment.get('new'), existsSync(segment.path)]).toEqual(['x', true]);
  });

  test('as long as another keeps the memory of the removed one, operations say so; then all goes on', async () => {
    const args = { segment: name, dir, size: '3M', nearCache: true } as const;
    const region = closing(createRegion({ name: 'r' }).configure('shm', { arguments: args }));
    const idle = closing(Segment.open({ name, dir: aliasOf(dir), size: '3M' }));
    const segment = closing(Segment.open({ name, dir }));
    const heard: SegmentEvent[] = [];
    segment.subscribe('', (event) => heard.push(event));
    region.sync.set('a', 'x');
    expect([region.sync.get('a'), region.sync.get('a')]).toEqual(['x', 'x']);
    const backend = region.actualBackend as ShmBackend;
    expect(backend.getMutex('held').acquire({ wait: 0 })).toBe(true);
    const waiting = expect(backend.getMutex('held').acquire({ wait: Infinity })).rejects.toThrow('only');
    expect(unlinkSegment(name, { dir })).toBe(true);
    await until(() => codeOf(() => segment.set('b', 'x')) === NO_SPACE);
    await waiting;

    const calls = [() => segment.get('a'), () => segment.size, () => segment.bytes, () => segment.stats()];
    for (const call of [...calls, () => [...segment.keys()], () => region.sync.get('a')]) {
      for (let i = 0; i < 2; i++) expect(codeOf(call)).toBe(NO_SPACE);
    }
    expect(codeOf(() => Segment.open({ name, dir }))).toBe(NO_SPACE);
    expect(await region.getOrCreate('a', () => 'created')).toBe('created'); // fails open
    expect(heard.filter(({ kind }) => kind === 'overflow')).toEqual([]);

    await until(() => idle.set('of idle', 'x') && idle.created);
    expect(segment.get('of idle')).toBe('x');
    expect(region.sync.get('a')).toBe(NO_VALUE);
    region.sync.set('a', 'y');
    expect([region.sync.get('a'), region.sync.get('a')]).toEqual(['y', 'y']);
    expect(backend.getMutex('held').acquire({ wait: 0 })).toBe(true);
    expect(heard.filter(({ kind }) => kind === 'overflow')).toHaveLength(1);
    idle.set('told', 'x');
    await until(() => heard.some(({ key }) => key === 'told'));
    await region.invalidate();
    expect(region.sync.get('a')).toBe(NO_VALUE);
  });

  test('it can be closed meanwhile, and then says that it is closed', async () => {
    const idle = closing(Segment.open({ name, dir, size: '3M' }));
    const backend = new ShmBackend({ segment: name, dir: aliasOf(dir) });
    unlinkSegment(name, { dir });
    await until(() => codeOf(() => backend.get('a')) === NO_SPACE);
    await backend.close();
    expect(codeOf(() => backend.get('a'))).toBe('ERR_STOCKPILE_SHM_CLOSED');
    await until(() => idle.set('a', 'x') && idle.created);
  });

  test("with 'auto' it is not told to ask for less", () => {
    closing(Segment.open({ name, dir, size: '3700K' }));
    const error = errorOf(() => Segment.open({ name: `${name}-b`, dir, size: 'auto' }));
    expect(error.code).toBe(NO_SPACE);
    expect(error.message).toMatch(/'auto' needs at least.*another 'dir'/);
    expect(error.message).not.toContain("'size'");
  });
});

describe('with create: false', () => {
  const look = (options: SegmentOptions = {}): Segment =>
    closing(Segment.open({ name, dir: root, create: false, ...options }));
  const make = (dir = root): Segment => closing(Segment.open({ name, dir, size: '2M' }));

  test('none is made', () => {
    for (const options of [{}, { dir: join(root, 'none') }, { name: 'other' }]) {
      const error = errorOf(() => look(options));
      expect([error.name, error.code]).toEqual(['SegmentOpenError', ABSENT]);
    }
    expect(errorOf(() => look()).message).toContain(`there is none in ${root}`);
    expect(unlinkSegment(name, { dir: root })).toBe(false);
    make().set('a', 'x');
    expect(look().get('a')).toBe('x');
  });

  test('one that was removed is gone, until somebody else makes it', async () => {
    const maker = make(aliasOf(root));
    const segment = look();
    const { path } = segment;
    maker.unlink();
    maker.close();
    await until(() => codeOf(() => segment.get('a')) === ABSENT);
    for (const call of [() => segment.set('a', 'x'), () => segment.size, () => segment.lock('a'), () => look()]) {
      expect(codeOf(call)).toBe(ABSENT);
    }
    expect(existsSync(path)).toBe(false);
    make(aliasOf(root)).set('a', 'new');
    expect(segment.get('a')).toBe('new');
  });

  test('it is made anew as long as one user of the thread would have it made', async () => {
    const maker = make();
    const { byteSize } = maker;
    const segment = look();
    unlinkSegment(name, { dir: root });
    await until(() => codeOf(() => segment.set('b', 'x')) === undefined && existsSync(segment.path));
    expect([segment.byteSize, segment.created]).toEqual([byteSize, true]);
    maker.close();
    unlinkSegment(name, { dir: root });
    await until(() => codeOf(() => segment.get('a')) === ABSENT);
    expect(make().set('a', 'x')).toBe(true); // who comes with the wish to make it brings it back for all
    expect([segment.get('a'), segment.byteSize]).toEqual(['x', byteSize]);
  });
});
