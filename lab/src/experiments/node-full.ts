/** A file system that is full: refused by name and number when a segment is made, never a bus error later. */

import { closeSync, openSync, readFileSync, rmSync, statfsSync, truncateSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Segment, SegmentOpenError } from '@stockpile/backend-shm';
import type { Experiment } from '../experiment.js';
import { Findings } from '../processes/findings.js';
import { Scene, segmentFiles, segmentPath } from '../processes/scene.js';

export const experiment: Experiment = {
  name: 'node-full',
  describe: 'a tmpfs of 2 MB: too large a segment is refused with numbers; one that fits outlives a full file system',
  async run({ short, log }) {
    const findings = new Findings(log);
    await using scene = new Scene();
    const dir = scene.mountTmpfs('2m');
    if (dir === undefined) {
      findings.skip('everything', 'no file system can be mounted here');
      return findings.outcome('');
    }
    const total = statfsSync(dir).blocks * statfsSync(dir).bsize;

    let error: unknown;
    try {
      Segment.open({ name: 'big', size: '32M', dir });
    } catch (thrown) {
      error = thrown;
    }
    const { code, requested = 0, available = 0, message = '', ...rest } = (error ?? {}) as Partial<SegmentOpenError>;
    findings.check(
      'size 32M is refused',
      error instanceof SegmentOpenError && code === 'ERR_STOCKPILE_SHM_NO_SPACE',
      message,
    );
    findings.check(
      'with the numbers of the file system',
      requested > 31e6 && requested <= 32 * 2 ** 20 && available > 0 && available <= total && rest.total === total,
      { requested, available, total: rest.total },
    );
    const remedies = ['--shm-size', 'shm_size', 'emptyDir', "'size'", "'dir'"].filter(
      (word) => !message.includes(word),
    );
    findings.check('and remedies', remedies.length === 0, remedies);
    findings.check('no file is left', segmentFiles(dir).length === 0, segmentFiles(dir));
    findings.check('and no space', statfsSync(dir).bavail * statfsSync(dir).bsize > total - 65_536);

    // in a process of its own: a bus error would end it
    const peer = await scene.start('peer');
    await peer.call('openSegment', { name: 'auto', size: 'auto', dir });
    await peer.call('closeSegment');
    findings.check("size 'auto' takes what is there", segmentFiles(dir).length === 1);
    rmSync(segmentPath(dir, 'auto'));

    const args = { segment: 'fits', size: '1500K', dir };
    await peer.call('open', args);
    const values = short ? 20_000 : 200_000;
    await peer.call('fill', 'v', values, 300);
    const brim = await peer.call<{ found: number; damaged: number }>('verify', 'v', values);
    findings.check(`one that fits takes ${values} values, evicting`, brim.found > 1000 && brim.damaged === 0, brim);
    const second = await (await scene.start('peer')).failure('open', { ...args, segment: 'second' });
    findings.check('a second one beside it is refused', second?.code === 'ERR_STOCKPILE_SHM_NO_SPACE', second?.code);

    const filled = fillUp(join(dir, 'other'));
    findings.note(`${filled} bytes of another file fill the file system`);
    await peer.call('fill', 'w', values, 300);
    const full = await peer.call<{ found: number; damaged: number }>('verify', 'w', values);
    findings.check('on the full file system it goes on', full.found > 100 && full.damaged === 0, full);
    const other = await scene.start('peer');
    await other.call('open', args);
    const attached = await other.call<{ found: number; damaged: number }>('verify', 'w', values);
    findings.check('others attach to it', attached.found > 100 && attached.damaged === 0, attached);
    const lost = await (await scene.start('peer')).failure('open', { segment: 'none', size: '1M', dir });
    findings.check('a new one is refused', lost?.code === 'ERR_STOCKPILE_SHM_NO_SPACE', lost?.code);
    for (const each of [peer, other]) await each.kill();

    // a file with holes, as a copy may have: its first touch on a full file system would be a bus error
    const path = segmentPath(dir, 'fits');
    const header = readFileSync(path).subarray(0, 4096);
    const { length } = readFileSync(path);
    truncateSync(path, 0);
    const file = openSync(path, 'r+');
    writeSync(file, header, 0, header.length, 0);
    closeSync(file);
    truncateSync(path, length);
    fillUp(join(dir, 'more'));
    const holes = await (await scene.start('peer')).failure('open', args);
    findings.check('a file with holes is refused there', holes?.code === 'ERR_STOCKPILE_SHM_LAYOUT', holes?.message);
    return findings.outcome(
      `a tmpfs of 2 MB: too large a segment, ${short ? '20k' : '200k'} values in one that fits, no space left beside it`,
    );
  },
};

/** Writes until there is no space; how many bytes that were. */
function fillUp(path: string): number {
  let bytes = 0;
  const file = openSync(path, 'w');
  for (const size of [65_536, 4096]) {
    const zeros = Buffer.alloc(size);
    try {
      for (;;) bytes += writeSync(file, zeros);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  closeSync(file);
  return bytes;
}
