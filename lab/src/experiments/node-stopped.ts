/** Processes that are stopped, not dead: nothing is taken from them, and nobody waits for them for long. */

import { readFileSync } from 'node:fs';
import type { SegmentOptions } from '@stockpile/backend-shm';
import type { Experiment } from '../experiment.js';
import type { Child } from '../processes/children.js';
import { Findings } from '../processes/findings.js';
import { Scene, until } from '../processes/scene.js';

interface Timed {
  readonly ms: number;
  readonly value?: unknown;
  readonly code?: string;
}

const BUSY = 'ERR_STOCKPILE_SHM_BUSY';
const KEYS = Array.from({ length: 100 }, (_, i) => `k${i}`);

export const experiment: Experiment = {
  name: 'node-stopped',
  describe: 'SIGSTOP of the holder of a key lock, of a writer within a lock of the segment, and of one that attaches',
  async run({ short, log }) {
    const findings = new Findings(log);
    await keyLock(findings);
    await shardLock(findings, short ? 3 : 30);
    await gate(findings);
    return findings.outcome(
      `SIGSTOP of a creator, ${short ? 3 : 30} times of a writer within a lock, once of one that attaches; then SIGCONT or SIGKILL`,
    );
  },
};

async function keyLock(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const peers = await scene.startMany(3, 'peer');
  const [holder, hasty, patient] = peers as [Child, Child, Child];
  for (const peer of peers) await peer.call('open', { segment: 'stopped', size: '1M', dir: scene.dir });
  const theirs = holder.call('create', 'a', 'of the holder');
  await holder.event('began');
  await stop(holder);
  let done = false;
  const waiting = patient.call('quickly', 'a', 'of the patient').then((value) => {
    done = true;
    return value;
  });
  const own = await hasty.call('quickly', 'a', 'of the hasty', { lockTimeout: 150 });
  findings.check('with lockTimeout others create', own === 'of the hasty', own);
  const stored = await hasty.call('region', 'get', 'a');
  findings.check('without storing', stored === undefined, stored);
  findings.check(
    'without it they wait: a slow holder keeps its lock',
    !done && (await hasty.call('region', 'keyIsLocked', 'a')) === true,
  );
  holder.signal('SIGCONT');
  void holder.call('release');
  findings.check(
    'when it goes on, its value is stored',
    (await theirs) === 'of the holder' && (await waiting) === 'of the holder',
  );
  findings.check('for all', (await hasty.call('region', 'get', 'a')) === 'of the holder');
}

async function shardLock(findings: Findings, rounds: number): Promise<void> {
  await using scene = new Scene();
  // nothing is evicted, so that the keys beside the large one stay
  const options: SegmentOptions = { name: 'stopped', size: '16M', whenFull: 'throw', dir: scene.dir };
  const prober = await scene.start('peer');
  await prober.call('openSegment', options);
  for (const key of KEYS) await prober.call('segment', 'set', key, `value of ${key}`);
  let [tries, wrongReads, notBusy, resumed, taken] = [0, 0, 0, 0, 0];
  const busy: number[] = [];
  const again: number[] = [];
  const reading: number[] = [];
  const elsewhere: number[] = [];
  let writer = await startWriter(scene, options);
  for (let round = 0; round < rounds; round++) {
    for (;;) {
      tries++;
      await stop(writer);
      const [probe] = (await prober.call('timed', 'set', ['big'], 'x')) as [Timed];
      if (probe.code === BUSY) {
        busy.push(probe.ms);
        break;
      }
      writer.signal('SIGCONT');
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
    }
    const [second] = (await prober.call('timed', 'set', ['big'], 'x')) as [Timed];
    if (second.code !== BUSY) notBusy++;
    again.push(second.ms);
    const seen = (await prober.call('timed', 'get', KEYS)) as Timed[];
    wrongReads += seen.filter(({ value }, i) => value !== `value of ${KEYS[i]}`).length;
    reading.push(...seen.map(({ ms }) => ms));
    for (const key of KEYS) {
      const [{ code, ms }] = (await prober.call('timed', 'set', [key], `value of ${key}`)) as [Timed];
      if (code === undefined) elsewhere.push(ms);
    }
    if (round % 3 === 2) {
      // killed while it is stopped: now the lock is free
      await writer.kill();
      if (await untilWritten(prober, 300)) taken++; // for 100 ms the prober looks at the word of the lock alone
      writer = await startWriter(scene, options);
    } else {
      writer.signal('SIGCONT');
      if (await untilWritten(prober, 300)) resumed++;
    }
  }
  const kills = Math.floor(rounds / 3);
  findings.note(`caught within the lock ${rounds} times, in ${tries} stops`);
  findings.check('a write is BUSY after 20 ms', median(busy) > 19 && median(busy) < 30, spread(busy));
  findings.check('then it fails at once', notBusy === 0 && median(again) < 1, spread(again));
  findings.check(`${reading.length} reads go on meanwhile`, wrongReads === 0 && median(reading) < 1, spread(reading));
  findings.check(
    `so do ${elsewhere.length} writes to other parts`,
    elsewhere.length > rounds && median(elsewhere) < 1,
    spread(elsewhere),
  );
  findings.check('after SIGCONT everything goes on', resumed === rounds - kills, `${resumed} of ${rounds - kills}`);
  findings.check('after SIGKILL the part is taken over', taken === kills, `${taken} of ${kills}`);
  const { wipes } = await prober.call<{ wipes: number }>('stats');
  findings.check('nothing was wiped', wipes === 0, wipes);
}

/** Attaching and leaving take a lock of the whole segment: who is stopped there must not hang others for ever. */
async function gate(findings: Findings): Promise<void> {
  await using scene = new Scene();
  const options: SegmentOptions = { name: 'gate', size: '256M', dir: scene.dir };
  const [comer, prober, inside] = (await Promise.all([
    scene.start('slow-writer'),
    scene.start('peer'),
    scene.start('peer'),
  ])) as [Child, Child, Child];
  await inside.call('openSegment', options);
  await comer.call('comeAndGo', options);
  const end = performance.now() + 5000;
  for (;;) {
    await stop(comer);
    const began = performance.now();
    const failure = await prober.failure('openSegment', options);
    const ms = performance.now() - began;
    if (failure !== undefined) {
      findings.check(
        'one that is stopped while it attaches: others get BUSY after 2 s',
        failure.code === BUSY && ms > 1900 && ms < 2500,
        `${ms.toFixed(0)} ms: ${failure.message}`,
      );
      break;
    }
    await prober.call('closeSegment');
    comer.signal('SIGCONT');
    if (performance.now() > end)
      return findings.skip('a process stopped while it attaches', 'it was not caught in 5 s');
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  }
  const [write] = (await inside.call('timed', 'set', ['a'], 'x')) as [Timed];
  findings.check('who is in goes on', write.code === undefined, `${write.ms.toFixed(2)} ms`);
  await comer.kill();
  findings.check('after its SIGKILL others come in', (await prober.failure('openSegment', options)) === undefined);
}

async function startWriter(scene: Scene, options: SegmentOptions): Promise<Child> {
  const writer = await scene.start('slow-writer');
  await writer.call('start', options, 'big', 30_000);
  return writer;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Infinity;
}

/** The longest has what the scheduler adds on a machine with other work. */
function spread(values: readonly number[]): string {
  return `median ${median(values).toFixed(3)} ms, longest ${Math.max(0, ...values).toFixed(1)} ms`;
}

/** Sends SIGSTOP and waits until it has stopped. */
async function stop(child: Child): Promise<void> {
  child.signal('SIGSTOP');
  const state = (): string =>
    readFileSync(`/proc/${child.pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .slice(0, 1);
  await until(() => state() === 'T', 1000);
}

async function untilWritten(prober: Child, patience: number): Promise<boolean> {
  const end = performance.now() + patience;
  do {
    const [{ code }] = (await prober.call('timed', 'set', ['big'], 'x')) as [Timed];
    if (code === undefined) return true;
  } while (performance.now() < end);
  return false;
}
