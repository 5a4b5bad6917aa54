/** Processes are killed at random moments, again and again; one that is not sees no damage and does not wait for them. */

import { appendFileSync, closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { Segment } from '@stockpile/backend-shm';
import type { Experiment } from '../experiment.js';
import type { Child } from '../processes/children.js';
import { Findings } from '../processes/findings.js';
import type { Durations, KillTask } from '../processes/kill-worker.js';
import { Scene } from '../processes/scene.js';

const WORKERS = 4;
/** For the lock, and until somebody asks for the key again; the longest has what the scheduler adds. */
const TAKEOVER_MS = 100;

export const experiment: Experiment = {
  name: 'node-kill',
  describe: `${WORKERS} processes at work in all ways, killed by SIGKILL at random moments and replaced; one survivor`,
  async run({ short, log }) {
    const findings = new Findings(log);
    await using scene = new Scene();
    const notes = scene.makeDirectory({ onDisk: true });
    const task: KillTask = {
      args: { segment: 'kill', size: '16M', dir: scene.dir },
      creations: join(notes, 'creations'),
      acknowledged: join(notes, 'acknowledged'),
      increments: join(notes, 'increments'),
      survivor: false,
    };
    for (const path of [task.creations, task.acknowledged, task.increments]) appendFileSync(path, '');
    const run = new Run(scene, task);
    const survivor = await run.survivor();

    // the same with processes that end by themselves: what stalls then, is not for a killed process
    const control = await run.phase(survivor, short ? 15 : 200, 'exit');
    findings.note(`control, ${control.ends} processes replaced that ended by themselves: ${show(control)}`);
    const killed = await run.phase(survivor, short ? 40 : 1000, 'SIGKILL');
    findings.note(`${killed.ends} killed, ${run.early} of them before they were ready: ${show(killed)}`);
    // who lives, but has no cpu, is waited for too: as often as without kills it may be that
    const allowed = Math.ceil((2 * control.sleeps.length * killed.operations) / control.operations);
    findings.check(
      'no operation of the survivor sleeps for more than 30 ms for a killed process',
      killed.sleeps.length <= allowed,
      killed.sleeps.length === 0
        ? ''
        : `${killed.sleeps.slice(0, 10).join('; ')}; without kills: ${control.sleeps.join('; ')}`,
    );

    const ends = await run.end(survivor);
    findings.check('no process hangs: all that are left come to their end', ends.hung.length === 0, ends.hung);
    findings.check(
      `no damaged value, no other key's, no lost write, no second holder, in ${ends.operations} operations`,
      run.problems.length === 0,
      run.problems.slice(0, 5),
    );
    findings.note(
      `${ends.events} events were heard by the survivor; ${ends.busy} operations were BUSY in all that reported`,
    );
    const creations = creationsIn(readFileSync(task.creations, 'utf8'));
    findings.check(
      `${creations.begun} creations of 5 keys: one creator at a time for each, also across kills`,
      creations.overlaps.length === 0,
      creations.overlaps.slice(0, 5),
    );
    const takeovers = creations.takeovers.toSorted((a, b) => a - b);
    const median = takeovers[Math.floor(takeovers.length / 2)] ?? 0;
    findings.check(
      `${takeovers.length} creators were killed at their work: others create in their place`,
      median < TAKEOVER_MS,
      `median ${median.toFixed(0)} ms, longest ${(takeovers.at(-1) ?? 0).toFixed(0)} ms`,
    );
    checkLeftovers(findings, task, run.kills);
    return findings.outcome(
      `${run.kills} kills of ${WORKERS} processes at work, ${ends.operations} operations | the survivor slept at most ${killed.longestSleep.toFixed(1)} ms in one`,
    );
  },
};

/** What must be right when all have ended. */
function checkLeftovers(findings: Findings, { args, acknowledged, increments }: KillTask, kills: number): void {
  using sums = Segment.open({ name: `${args.segment}-sums`, dir: args.dir });
  const sum = Number(sums.get('sum'));
  const counted = statSync(increments).size;
  findings.check(
    'a counter has every acknowledged increment, and at most one more per kill',
    sum >= counted && sum <= counted + kills,
    `${counted} acknowledged, ${sum} counted`,
  );
  const keys = readFileSync(acknowledged, 'utf8').trimEnd().split('\n');
  const lost = keys.filter((key) => sums.get(key) !== key);
  const twice = keys.length - new Set(keys).size;
  findings.check(`${keys.length} entries stored if absent: none lost, none stored twice`, lost.length + twice === 0, {
    lost: lost.length,
    twice,
  });
  using segment = Segment.open({ name: args.segment, dir: args.dir });
  const locked = ['c0', 'c1', 'c2', 'c3', 'c4'].filter(
    (key) => segment.lock(`strict:${key}`, { wait: 200 }) === undefined,
  );
  findings.check('no lock of a key stays', locked.length === 0, locked);
  const [one, other] = [segment.stats(), sums.stats()];
  findings.check('no part was wiped', one.wipes + other.wipes === 0, [one.wipes, other.wipes]);
  findings.check('all places but this one are free', one.participants === 1 && other.participants === 1, [
    one.participants,
    other.participants,
  ]);
  findings.note(`${one.recoveries + other.recoveries} parts were put in order after their writer had died`);
}

function show({ operations, longest, stalls, longestSleep }: Durations): string {
  return `${operations} operations of the survivor, the longest ${longest.toFixed(1)} ms, ${stalls} above 30 ms, since they had no cpu; the longest sleep ${longestSleep.toFixed(1)} ms`;
}

class Run {
  readonly problems: string[] = [];
  kills = 0;
  /** Before they had told that they were ready. */
  early = 0;
  readonly #scene: Scene;
  readonly #task: KillTask;
  readonly #creations: number;
  readonly #workers: Child[] = [];

  constructor(scene: Scene, task: KillTask) {
    this.#scene = scene;
    this.#task = task;
    this.#creations = openSync(task.creations, 'a');
  }

  survivor(): Promise<Child> {
    return this.#start(true, true);
  }

  /** Until so many have ended in this way. Gives what the survivor has measured. */
  async phase(survivor: Child, count: number, way: 'exit' | 'SIGKILL'): Promise<Durations & { ends: number }> {
    while (this.#workers.length < WORKERS) this.#workers.push(await this.#start(false, true));
    await survivor.call('durations');
    let [left, ends] = [count, 0];
    const lanes = this.#workers.map(async (_, place) => {
      for (; left-- > 0; ends++) await this.#replace(place, survivor, way);
    });
    await Promise.all(lanes);
    this.#collect(survivor);
    return { ...(await survivor.call<Durations>('durations')), ends };
  }

  async end(survivor: Child): Promise<{ hung: string[]; operations: number; busy: number; events: number }> {
    const all = [survivor, ...this.#workers];
    const hung: string[] = [];
    const totals = await Promise.all(
      all.map((child) =>
        child.call<{ operations: number; busy: number; events: number }>('stop').catch((error: Error) => {
          hung.push(error.message);
          return { operations: 0, busy: 0, events: 0 };
        }),
      ),
    );
    for (const child of all) this.#collect(child);
    await Promise.all(all.map((child) => child.kill()));
    closeSync(this.#creations);
    const sum = (field: 'operations' | 'busy'): number => totals.reduce((so, each) => so + each[field], 0);
    return {
      hung,
      operations: sum('operations') + this.#operations,
      busy: sum('busy'),
      events: totals[0]?.events ?? 0,
    };
  }

  /** Of processes that were killed, as far as they have told. */
  #operations = 0;

  /** Ends the worker at a place and starts another. One that is at work has shown before that it gets on. */
  async #replace(place: number, survivor: Child, way: 'exit' | 'SIGKILL'): Promise<void> {
    const worker = this.#workers[place] as Child;
    const atWork = way === 'exit' || Math.random() < 0.85;
    if (atWork) {
      const { operations } = await worker.event('beat', 15_000).catch((error: Error) => {
        this.problems.push(`no sign of life: ${error.message}`);
        return { operations: 0 };
      });
      this.#operations += Number(operations);
      await after(Math.random() * 40);
    } else await after(Math.random() * 120);
    this.#collect(worker);
    this.#collect(survivor);
    if (way === 'exit') {
      await worker.call('stop').catch((error: Error) => this.problems.push(error.message));
      worker.disconnect();
      await worker.ended;
    } else {
      if (worker.taken('ready').length === 0 && !atWork) this.early++;
      writeSync(this.#creations, `k - ${worker.pid} ${process.hrtime.bigint()}\n`); // who creates in its place does so later
      await worker.kill();
      this.kills++;
    }
    this.#workers[place] = await this.#start(false, false);
  }

  #collect(child: Child): void {
    for (const { text } of child.taken('problem')) this.problems.push(String(text));
    child.taken('beat');
    if (child.stderr !== '') this.problems.push(`process ${child.pid} wrote: ${child.stderr.slice(0, 300)}`);
  }

  #start(survivor: boolean, wait: boolean): Promise<Child> {
    // a collector's threads that wait for a cpu would look like another process that is waited for
    const execArgv = survivor ? ['--single-threaded-gc'] : [];
    return this.#scene.start('kill-worker', { args: [JSON.stringify({ ...this.#task, survivor })], execArgv, wait });
  }
}

interface Creations {
  readonly begun: number;
  readonly overlaps: string[];
  /** ms from the kill of a creator until the next one of that key began. */
  readonly takeovers: number[];
}

/** `b key pid ns` a creator begins, `e key pid` it is done, `k - pid ns` the process is about to be killed. */
function creationsIn(notes: string): Creations {
  const dead = new Map<string, bigint>();
  const holders = new Map<string, string>();
  const overlaps: string[] = [];
  const takeovers: number[] = [];
  let begun = 0;
  for (const line of notes.trimEnd().split('\n')) {
    const [kind, key = '', pid = '', ns = '0'] = line.split(' ');
    const holder = holders.get(key);
    if (kind === 'k') dead.set(pid, BigInt(ns));
    else if (kind === 'e' && holder === pid) holders.delete(key);
    else if (kind === 'b') {
      begun++;
      const killed = holder === undefined ? undefined : dead.get(holder);
      if (killed !== undefined) takeovers.push(Number(BigInt(ns) - killed) / 1e6);
      else if (holder !== undefined) overlaps.push(`${key}: ${pid} while ${holder} creates`);
      holders.set(key, pid);
    }
  }
  return { begun, overlaps, takeovers };
}
