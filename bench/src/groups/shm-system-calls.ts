/** System calls while entries are read and written, told by strace: there are none but those of the clockwork. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atExit } from '../at-exit.js';
import { type Rounds, Skip } from '../harness.js';
import { onPath } from '../servers/start.js';
import { segmentName, temporarySegment } from '../shm/segments.js';
import { type Phase, phasesIn } from '../shm/strace.js';
import type { CountedGroup } from './index.js';

const FEW = 100_000;
const MANY = 10 * FEW;
/** Looking after the segment takes so many per second, however much there is to do. */
const UPKEEP_PER_S = 3;
/** So much garbage fits into the young generation (MB) that nothing is collected, which takes system calls too. */
const YOUNG_MB = 512;

const BEYOND = 'beyond that and 3 per s';

export const shmSystemCalls: CountedGroup = {
  title: 'Shared memory: system calls of all threads during reads and writes of one key',
  reference: BEYOND,
  unit: 'calls',
  async rounds(): Promise<Rounds> {
    const strace = onPath('strace');
    if (strace === undefined) throw new Skip('there is no strace on the PATH');
    const name = segmentName();
    temporarySegment({}, name);
    const phases = traced(strace, name);
    const row = (what: string): Phase => {
      const phase = phases.get(what);
      if (phase === undefined) throw new Error(`strace has not seen '${what}'`);
      return phase;
    };
    const beyond = (['get', 'set'] as const).map((what) => {
      const [few, many] = [row(`${what} ${FEW}`), row(`${what} ${MANY}`)];
      return Math.max(0, many.calls - few.calls - Math.ceil(UPKEEP_PER_S * many.seconds));
    });
    return {
      '100,000 × Segment.get': [row(`get ${FEW}`).calls],
      '1,000,000 × Segment.get': [row(`get ${MANY}`).calls],
      '100,000 × Segment.set': [row(`set ${FEW}`).calls],
      '1,000,000 × Segment.set': [row(`set ${MANY}`).calls],
      [BEYOND]: [beyond.reduce((sum, calls) => sum + calls, 0)],
    };
  },
};

function traced(strace: string, segment: string): Map<string, Phase> {
  const folder = mkdtempSync(join(tmpdir(), 'stockpile-bench-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  const log = join(folder, 'strace.txt');
  const program = fileURLToPath(new URL('../shm/traced-process.js', import.meta.url));
  const young = [`--min-semi-space-size=${YOUNG_MB}`, `--max-semi-space-size=${YOUNG_MB}`];
  const command = [process.execPath, ...young, program, segment, String(FEW)];
  const { status, stderr } = spawnSync(strace, ['-f', '-ttt', '-o', log, ...command], { encoding: 'utf8' });
  // containers often forbid to trace
  if (/ptrace|not permitted/i.test(stderr)) throw new Skip(`strace: ${stderr.trim().split('\n')[0]}`);
  if (status !== 0) throw new Error(`the traced process ended with ${status}: ${stderr}`);
  return phasesIn(readFileSync(log, 'utf8'));
}
