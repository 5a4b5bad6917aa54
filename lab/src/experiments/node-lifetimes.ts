/** Segments of each lifetime: when their files go, what is restored, and what damage to a snapshot costs. */

import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unlinkSegment } from '@stockpile/backend-shm';
import type { Experiment } from '../experiment.js';
import type { Child } from '../processes/children.js';
import { Findings } from '../processes/findings.js';
import { Scene, segmentFiles, until } from '../processes/scene.js';

const COUNT = 1000;

export const experiment: Experiment = {
  name: 'node-lifetimes',
  describe: "segments of lifetime 'processes', 'boot' and 'persistent': ends, kills, snapshots, damage to them",
  async run({ short, log }) {
    const findings = new Findings(log);
    await processes(findings, short ? 20 : 200);
    await boot(findings);
    await persistent(findings);
    await damage(findings, short ? 12 : 100);
    await fullDisk(findings);
    return findings.outcome(
      `ends, kills, ${short ? 12 : 100} snapshots with flipped bits, cut and replaced ones, a full disk`,
    );
  },
};

async function processes(findings: Findings, rounds: number): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  const args = { segment: 'ends', size: '1M', lifetime: 'processes', dir };
  const [first, second] = (await scene.startMany(2, 'peer')) as [Child, Child];
  for (const peer of [first, second]) await peer.call('open', args);
  await first.call('region', 'set', 'a', 1);
  void first.call('exit', 0).catch(() => {});
  await first.ended;
  findings.check("'processes': stays while one is there", segmentFiles(dir).length === 1, segmentFiles(dir));
  void second.call('leave').catch(() => {});
  await second.ended;
  findings.check("'processes': gone when the last one has ended without close", segmentFiles(dir).length === 0);

  const killed = await scene.start('peer');
  await killed.call('open', args);
  await killed.call('region', 'set', 'a', 1);
  await killed.kill();
  findings.check("'processes': SIGKILL of the last one leaves the file", segmentFiles(dir).length === 1);
  const next = await scene.start('peer');
  const created = await next.call('openSegment', { name: 'ends', size: '1M', lifetime: 'processes', dir });
  await next.call('open', args);
  findings.check(
    'the next one finds it fresh',
    created === true && (await next.call('region', 'get', 'a')) === undefined,
  );
  await next.call('closeSegment');
  await next.call('close');
  findings.check('and gone after its close', segmentFiles(dir).length === 0, segmentFiles(dir));

  // attaching and leaving at the same time: nobody may be left with a file that the others do not see
  const peers = await scene.startMany(4, 'comer');
  const met = await Promise.all(peers.map((peer, i) => peer.call<number>('comeAndGo', `${dir}`, `p${i}`, rounds)));
  findings.check(
    `4 processes that come and go ${rounds} times each find what they stored`,
    met.every((bad) => bad === 0),
    met,
  );
  findings.check('and leave no file', segmentFiles(dir).length === 0, segmentFiles(dir));
}

async function boot(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  const args = { segment: 'stays', size: '1M', dir };
  const first = await scene.start('peer');
  await first.call('open', args);
  await first.call('region', 'set', 'a', 'kept');
  void first.call('exit', 0).catch(() => {});
  await first.ended;
  const second = await scene.start('peer');
  await second.call('open', args);
  const kept = await second.call('region', 'get', 'a');
  await second.kill();
  const third = await scene.start('peer');
  await third.call('open', args);
  const after = await third.call('region', 'get', 'a');
  findings.check("'boot': entries outlive exit and SIGKILL of the last one", kept === 'kept' && after === 'kept');
  findings.check('unlinkSegment removes it', unlinkSegment('stays', { dir }) && segmentFiles(dir).length === 0);
}

interface Snapshots {
  readonly dir: string;
  readonly snapshotDir: string;
  readonly path: string;
  readonly args: Readonly<Record<string, unknown>>;
}

function snapshotsOf(scene: Scene, interval: number, size = '4M'): Snapshots {
  const snapshotDir = join(scene.makeDirectory({ onDisk: true }), 'snapshots');
  const args = {
    segment: 'saved',
    size,
    lifetime: 'persistent',
    dir: scene.dir,
    snapshotDir,
    snapshotInterval: interval,
  };
  return { dir: scene.dir, snapshotDir, path: join(snapshotDir, 'saved.snapshot'), args };
}

/** As after a restart of the machine: the segment is gone, the snapshot is there. */
async function restart(scene: Scene, { args, dir }: Snapshots): Promise<Child> {
  unlinkSegment('saved', { dir });
  const peer = await scene.start('peer');
  await peer.call('open', args);
  return peer;
}

async function persistent(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const saved = snapshotsOf(scene, 100);
  const umask = process.umask(0);
  const writer = await scene.start('peer').finally(() => process.umask(umask));
  await writer.call('open', saved.args);
  await writer.call('fill', 'v', COUNT, 200, { expirationTime: '10m' });
  await writer.call('region', 'increment', 'counter', 42);
  await writer.call('region', 'set', 'brief', 1, { expirationTime: 1 });
  findings.check('a snapshot is written by itself', await hasNewSnapshot(saved.path));
  const modes = [modeOf(saved.snapshotDir), modeOf(saved.path)];
  findings.check('its directory is 0700, the file 0600, with umask 0', modes.join() === '700,600', modes.join());
  await writer.kill();
  const other = await restart(scene, saved);
  const seen = await other.call<{ found: number; damaged: number }>('verify', 'v', COUNT);
  findings.check('after SIGKILL and restart all is there again', seen.found === COUNT && seen.damaged === 0, seen);
  const counter = await other.call('region', 'increment', 'counter', 1);
  findings.check('also counters', counter === 43, counter);
  const entry = await other.call<{ expirationTime: number }>('region', 'getEntry', 'v0');
  findings.check('with their times', entry.expirationTime === 600_000, entry.expirationTime);
  findings.check('what has ended is not', (await other.call('region', 'get', 'brief')) === undefined);
  await other.kill();

  const closing = snapshotsOf(scene, Infinity);
  const closer = await restart(scene, closing);
  await closer.call('fill', 'c', COUNT, 200);
  const before = mtimeOf(closing.path);
  await closer.call('close');
  findings.check('with interval Infinity, close writes one', before === 0 && mtimeOf(closing.path) > 0);
  await closer.kill();
  const reader = await restart(scene, closing);
  const again = await reader.call<{ found: number; damaged: number }>('verify', 'c', COUNT);
  findings.check('which is restored', again.found === COUNT && again.damaged === 0, again);
  const leftovers = readdirSync(closing.snapshotDir).filter((file) => file.endsWith('.new'));
  findings.check('no temporary file stays', leftovers.length === 0, leftovers);
}

async function damage(findings: Findings, rounds: number): Promise<void> {
  await using scene = new Scene();
  const saved = snapshotsOf(scene, Infinity);
  for (const prefix of ['o', 'v']) {
    const writer = await restart(scene, saved);
    await writer.call('region', 'clear');
    await writer.call('fill', prefix, COUNT, 200);
    await writer.call('close'); // the second one makes the first one the previous generation
    await writer.kill();
  }
  const whole = readFileSync(saved.path);
  const previous = readFileSync(`${saved.path}.1`);
  const open = await restart(scene, saved);
  /** What is restored of `bytes`. */
  const restore = async (bytes: Buffer, prefix = 'v'): Promise<{ found: number; damaged: number; warned: boolean }> => {
    rmSync(saved.path, { force: true });
    writeFileSync(saved.path, bytes, { mode: 0o600 });
    writeFileSync(`${saved.path}.1`, previous, { mode: 0o600 });
    await open.call('region', 'close').catch(() => {});
    unlinkSegment('saved', { dir: saved.dir });
    const peer = await restart(scene, saved);
    const seen = await peer.call<{ found: number; damaged: number }>('verify', prefix, COUNT);
    const warned = peer.taken('warning').length > 0;
    await peer.kill();
    return { ...seen, warned };
  };
  await open.kill();
  const record = Math.floor(whole.length / COUNT);
  let [worst, damaged, silent, lost] = [0, 0, 0, 0];
  const first = 48 + 16; // past the header, which is another case
  for (let round = 0; round < rounds; round++) {
    const bytes = Buffer.from(whole);
    const flips = 1 + (round % 5);
    for (let i = 0; i < flips; i++) {
      const at = first + Math.floor(Math.random() * (bytes.length - first - 16));
      bytes[at] = (bytes[at] as number) ^ (1 << (round % 8));
    }
    const seen = await restore(bytes);
    lost += COUNT - seen.found;
    worst = Math.max(worst, COUNT - seen.found - flips);
    damaged += seen.damaged;
    if (seen.found < COUNT && !seen.warned) silent++;
  }
  findings.check(`${rounds} snapshots with 1 to 5 bits flipped lose only the records that were hit`, worst <= 0, {
    lost,
    'too many': Math.max(0, worst),
  });
  findings.check('no damaged value is restored', damaged === 0, damaged);
  findings.check('and each loss is warned of', silent === 0, silent);
  const half = await restore(whole.subarray(0, Math.floor(whole.length / 2)));
  const expected = Math.floor(whole.length / 2 / record);
  findings.check('cut in half, the first half is restored', Math.abs(half.found - expected) <= 2 && half.warned, half);
  const garbage: [string, Buffer][] = [
    ['its header damaged', Buffer.from(whole).fill(0xff, 0, 8)],
    ['garbage', Buffer.alloc(5000, 'x')],
    ['empty', Buffer.alloc(0)],
  ];
  for (const [what, bytes] of garbage) {
    const seen = await restore(bytes, 'o');
    findings.check(`${what}: the generation before it is restored`, seen.found === COUNT && seen.damaged === 0, seen);
  }
  rmSync(saved.path);
  rmSync(`${saved.path}.1`);
  mkdirSync(saved.path);
  const odd = await restart(scene, saved);
  findings.check('a directory in its place: opens, empty', (await odd.call('sync', 'size')) === 0);
  await odd.kill();
  rmSync(saved.path, { recursive: true });
  chmodSync(saved.snapshotDir, 0o777);
  unlinkSegment('saved', { dir: saved.dir });
  const refused = await (await scene.start('peer')).failure('open', saved.args);
  findings.check(
    'a snapshot directory that others may write to is refused',
    refused?.code === 'ERR_STOCKPILE_SHM_MODE',
    refused?.message,
  );
}

async function fullDisk(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const disk = scene.mountTmpfs('1m');
  if (disk === undefined) return findings.skip('a full disk for snapshots', 'no file system can be mounted here');
  const base = snapshotsOf(scene, 50, '8M');
  const saved = { ...base, snapshotDir: join(disk, 's'), path: join(disk, 's', 'saved.snapshot') };
  Object.assign(saved, { args: { ...base.args, snapshotDir: saved.snapshotDir } });
  const writer = await scene.start('peer');
  await writer.call('open', saved.args);
  await writer.call('fill', 's', 100, 200);
  await writer.call('region', 'set', 'mark', 1);
  await hasNewSnapshot(saved.path);
  await writer.call('fill', 'l', 2500, 1000); // more than the disk has
  const warning = await writer.event('warning', 5000).catch(() => undefined);
  findings.check(
    'a full disk gives a warning',
    /no snapshot could be written/.test(String(warning?.message)),
    warning?.message,
  );
  const size = statSync(saved.path).size;
  // further failures: each tick tries again
  for (let i = 0; i < 10; i++) await writer.call('region', 'waitFor', 'never', { timeout: 50 }).catch(() => {});
  findings.check('and only one', writer.taken('warning').length === 0);
  findings.check('the process goes on', (await writer.call<{ found: number }>('verify', 'l', 2500)).found > 2000);
  await writer.call('close');
  await writer.kill();
  const files = readdirSync(saved.snapshotDir).sort();
  findings.check(
    'the one before stays, and no part of a new one',
    statSync(saved.path).size === size && !files.some((file) => file.endsWith('.new')),
    files,
  );
  const reader = await restart(scene, saved);
  const seen = await reader.call<{ found: number; damaged: number }>('verify', 's', 100);
  findings.check('and can be restored', seen.found === 100 && seen.damaged === 0, seen);
}

/** Waits for one that was begun after this call: the second one that is done from now on. */
async function hasNewSnapshot(path: string): Promise<boolean> {
  for (let i = 0; i < 2; i++) {
    const before = mtimeOf(path);
    if (!(await until(() => mtimeOf(path) > before, 5000))) return false;
  }
  return true;
}

function mtimeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function modeOf(path: string): string {
  return (statSync(path).mode & 0o7777).toString(8);
}
