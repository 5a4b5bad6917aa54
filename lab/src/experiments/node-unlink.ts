/** A segment's file is removed, cut or replaced under processes that use it; and files that are not to be trusted. */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { Segment, type SegmentOptions, unlinkSegment } from '@stockpile/backend-shm';
import type { Experiment } from '../experiment.js';
import type { Child } from '../processes/children.js';
import { Findings } from '../processes/findings.js';
import { ownDirectory, Scene, segmentFiles, segmentPath } from '../processes/scene.js';

const NOBODY = 65_534;

export const experiment: Experiment = {
  name: 'node-unlink',
  describe: 'the file is unlinked or cut under live processes; wrong modes, owners and kinds of files are refused',
  async run({ short, log }) {
    const findings = new Findings(log);
    await unlinked(findings, short ? 3 : 20);
    await hardlyActive(findings);
    await cut(findings);
    await refusals(findings);
    return findings.outcome(
      `${short ? 3 : 20} unlinks under 4 live processes, 3 cuts, 17 files and directories not to be trusted`,
    );
  },
};

/** Processes that were on one segment are on one again, about a second after its file is gone, and on no other. */
async function unlinked(findings: Findings, rounds: number): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  const peers = await scene.startMany(3, 'wanderer');
  const listener = await scene.start('peer');
  const args = { segment: 'gone', size: '2M', dir };
  await listener.call('open', args);
  await listener.call('subscribe', null);
  let segment = Segment.open({ name: 'gone', size: '2M', dir });
  segment.set('world', '0');
  await Promise.all(peers.map((peer, i) => peer.call('start', { name: 'gone', size: '2M', dir }, `p${i}`)));
  const arrivals: number[] = [];
  for (let world = 1; world <= rounds; world++) {
    const lastWay = world === rounds;
    segment.close(); // so that the next open sees the new file, as another process would
    if (lastWay) rmSync(ownDirectory(dir), { recursive: true });
    else unlinkSegment('gone', { dir });
    const began = performance.now();
    segment = Segment.open({ name: 'gone', size: '2M', dir });
    segment.set('world', `${world}`);
    const met = await Promise.all(peers.map((peer) => peer.event(`world ${world}`, 5000)));
    arrivals.push(performance.now() - began);
    const all = met.map(({ peers: seen }) => Number(seen));
    if (all.some((seen) => seen !== peers.length)) findings.check(`world ${world}: all meet`, false, all);
  }
  const worst = Math.max(...arrivals);
  findings.check(
    `unlinked ${rounds} times (last with its directory): all meet in the new segment within 1.5 s`,
    worst < 1500,
    arrivals.map((ms) => `${ms.toFixed(0)} ms`).join(', '),
  );
  const back = await Promise.all(peers.map((peer) => peer.call<{ mixed: number; operations: number }>('stop')));
  const operations = back.reduce((sum, each) => sum + each.operations, 0);
  findings.check(
    `no process saw an older world again, in ${operations} operations`,
    back.every(({ mixed }) => mixed === 0),
    back.map(({ mixed }) => mixed),
  );
  // one that only listens: it notices by itself, and what it missed is announced
  const overflow = await listener.event('key', 3000).then(
    async (first) =>
      first.type === 'overflow' ? first : listener.next((message) => message.type === 'overflow', 'overflow', 3000),
    () => undefined,
  );
  findings.check('one that only listens is told of an overflow', overflow?.type === 'overflow');
  segment.set('lab:told', 'x');
  const told = await listener.next((message) => message.key === 'told', 'the event', 3000).catch(() => undefined);
  findings.check('and hears of what happens in the new one', told !== undefined);
  segment.close();
}

/** Who reads only now and then, and who is served from near: they too must notice. */
async function hardlyActive(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  const [rare, near] = (await scene.startMany(2, 'peer')) as [Child, Child];
  const args = { segment: 'quiet', size: '1M', dir };
  await rare.call('open', args);
  await near.call('open', { ...args, nearCache: true });
  await rare.call('region', 'set', 'a', 'old');
  await near.call('region', 'get', 'a');
  unlinkSegment('quiet', { dir });
  const began = performance.now();
  using _made = Segment.open({ name: 'quiet', size: '1M', dir });
  const noticed = async (peer: Child, pause: number): Promise<number> => {
    while (performance.now() - began < 8000) {
      if ((await peer.call('sync', 'get', 'a')) === undefined) break;
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
    return performance.now() - began;
  };
  const [rareMs, nearMs] = await Promise.all([noticed(rare, 500), noticed(near, 0)]);
  findings.check('a process with two reads per second notices within 2 s', rareMs < 2000, `${rareMs.toFixed(0)} ms`);
  findings.check('one that reads a single key from near, within 2.5 s', nearMs < 2500, `${nearMs.toFixed(0)} ms`);
}

/** Cutting the file is what no process can be kept from doing. What is noticed in time is an error, and not a bus error. */
async function cut(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  for (const share of [0, 0.5]) {
    const what = share === 0 ? 'cut to nothing' : 'cut in half';
    const name = share === 0 ? 'empty' : 'half';
    const idle = await scene.start('peer');
    const options = { name, size: '2M', dir };
    await idle.call('openSegment', options);
    await idle.call('segment', 'set', 'a', 'kept');
    const path = segmentPath(dir, name);
    const { size } = statSync(path);
    truncateSync(path, size * share);
    const refused = await (await scene.start('peer')).failure('openSegment', options);
    findings.check(
      `${what}: new ones are refused`,
      refused?.code === 'ERR_STOCKPILE_SHM_LAYOUT' &&
        refused.message.includes(path) &&
        refused.message.includes('unlinkSegment'),
      refused?.message,
    );
    // its next operation after a second is the one that looks at the file
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const lost = await answerOf(idle, 'segment', 'set', 'b', 'x');
    findings.check(
      `${what}: one that was idle gets an error for its next write`,
      lost === 'ERR_STOCKPILE_SHM_LOST',
      lost,
    );
    const again = await answerOf(idle, 'segment', 'get', 'a');
    findings.check(`${what}: and for what it reads then`, again === 'ERR_STOCKPILE_SHM_LOST', again);
    unlinkSegment(name, { dir });
    await answerOf(idle, 'segment', 'set', 'b', 'x');
    const back = await answerOf(idle, 'segment', 'set', 'c', 'x');
    findings.check(`${what}: after unlinkSegment it goes on`, back === 'true', back);
    await idle.kill();
  }
  const busy = await scene.start('wanderer');
  await busy.call('start', { name: 'busy', size: '2M', dir }, 'p');
  truncateSync(segmentPath(dir, 'busy'), 0);
  const outcome = await Promise.race([
    busy.ended.then(({ code, signal }) => `ended by ${signal ?? code}`),
    busy.event('failed', 5000).then(
      ({ code }) => String(code),
      () => busy.ended.then(({ code, signal }) => `ended by ${signal ?? code}`),
    ),
  ]);
  findings.check(
    'cut under a busy one: a bus error, the documented limit, or LOST',
    /SIGBUS|LOST/.test(outcome),
    outcome,
  );
}

/** Another user's files, links and pipes: each refused with a code and a remedy. */
async function refusals(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const { dir } = scene;
  const own = ownDirectory(dir);
  const path = segmentPath(dir, 'app');
  const options: SegmentOptions = { name: 'app', size: '1M', dir };
  /** `place`: what is moved away, to the same name with `.real`, before something else is made there. */
  const openings: { what: string; code: string; place?: string; make: () => void }[] = [
    { what: 'a directory that others may write to', code: 'MODE', make: () => chmodSync(own, 0o777) },
    { what: 'a directory of another user', code: 'OWNER', make: () => chownSync(own, NOBODY, NOBODY) },
    { what: 'a link as the directory', code: 'DIR', place: own, make: () => symlinkSync(`${own}.real`, own) },
    { what: 'a file as the directory', code: 'DIR', place: own, make: () => writeFileSync(own, '') },
    { what: 'a symbolic link', code: 'KIND', place: path, make: () => symlinkSync(`${path}.real`, path) },
    { what: 'a dangling link', code: 'KIND', place: path, make: () => symlinkSync(`${path}.nowhere`, path) },
    { what: 'a FIFO', code: 'KIND', place: path, make: () => execFileSync('mkfifo', ['-m', '600', path]) },
    { what: 'a directory in the place of the file', code: 'KIND', place: path, make: () => mkdirSync(path) },
    {
      what: 'a device',
      code: 'KIND',
      place: path,
      make: () => execFileSync('mknod', ['-m', '600', path, 'c', '1', '5']),
    },
    { what: 'a hard link', code: 'KIND', make: () => linkSync(path, `${path}.second`) },
    { what: 'a file that others may read', code: 'MODE', make: () => chmodSync(path, 0o644) },
    { what: 'a file of another user', code: 'OWNER', make: () => chownSync(path, NOBODY, NOBODY) },
    { what: 'an empty file', code: 'LAYOUT', make: () => truncateSync(path, 0) },
    { what: 'some other file', code: 'LAYOUT', make: () => writeFileSync(path, 'x'.repeat(100_000)) },
  ];
  for (const { what, code, place, make } of openings) {
    for (const old of [own, `${own}.real`]) rmSync(old, { recursive: true, force: true });
    Segment.open(options).close();
    try {
      if (place !== undefined) renameSync(place, `${place}.real`);
      make();
    } catch (error) {
      findings.skip(what, String(error));
      continue;
    }
    const began = performance.now();
    const found = openingError(options);
    const names = found?.message.includes(dir) ?? false;
    const quick = performance.now() - began < 500;
    findings.check(what, found?.code === `ERR_STOCKPILE_SHM_${code}` && names && quick, found?.message ?? 'opened');
  }
  rmSync(own, { recursive: true, force: true });

  if (process.geteuid?.() !== 0) return findings.skip("another user's processes", 'only root may start them');
  const shared = scene.makeDirectory();
  chmodSync(shared, 0o1777);
  Segment.open({ ...options, dir: shared }).close();
  let stranger: Child;
  try {
    stranger = await scene.start('peer', { uid: NOBODY });
  } catch (error) {
    return findings.skip("another user's processes", `they cannot read the repository: ${String(error).slice(0, 100)}`);
  }
  const created = await stranger.call('openSegment', { ...options, dir: shared });
  findings.check(
    'another user has a segment of that name for himself',
    created === true && segmentFiles(shared).length === 1,
  );
  const theirs = segmentPath(shared, 'app').replace('stockpile-0', `stockpile-${NOBODY}`);
  renameSync(theirs, segmentPath(shared, 'app').replace('app', 'theirs'));
  const mine = openingError({ ...options, name: 'theirs', dir: shared });
  findings.check(
    "another user's segment under a name of ours is refused",
    mine?.code === 'ERR_STOCKPILE_SHM_OWNER',
    mine?.message,
  );
  mkdirSync(ownDirectory(dir, NOBODY), { mode: 0o700 });
  const closed = await (await scene.start('peer', { uid: NOBODY })).failure('openSegment', options);
  findings.check(
    'a directory of root in his name is refused to him',
    closed?.code === 'ERR_STOCKPILE_SHM_OWNER',
    closed?.message,
  );
}

function openingError(options: SegmentOptions): { code: string; message: string } | undefined {
  try {
    Segment.open(options).close();
    return undefined;
  } catch (error) {
    return error as { code: string; message: string };
  }
}

/** What a call gives: its result, the code of its error, or how the process ended. */
async function answerOf(peer: Child, name: string, ...args: unknown[]): Promise<string> {
  try {
    return String(await peer.call(name, ...args));
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    return code ?? message;
  }
}
