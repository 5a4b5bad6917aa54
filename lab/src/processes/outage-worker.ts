/** A process with one region that works through an outage and reports; then it ends by itself, if nothing is left open. */

import { setTimeout as after } from 'node:timers/promises';
import { regionStore } from '@stockpile/backend-keyv';
import type { MemcachedArguments } from '@stockpile/backend-memcached';
import type { RedisArguments } from '@stockpile/backend-redis';
import { createRegion, type Region, StockpileError } from '@stockpile/core';
import { Keyv } from 'keyv';
import type { OutageReport, OutageTask, Phase } from '../outages/task.js';
import { Ledger } from './ledger.js';
import { Load } from './outage-load.js';
import { describe, openSockets, ownTime, watchOwnProcess } from './own-process.js';
import { serve } from './serve.js';

/** How long a creation waits for the lock of one that an outage has cut off, ms. */
const LOCK_TIMEOUT_MS = 100;
/** Of locks that an outage has cut off. */
const LEASE = '2s' as const;
/** After which the outage counts as not overcome, ms. */
const PATIENCE_MS = 10_000;
/** What is closed may take so long to be gone, ms. */
const GRACE_MS = 1000;

const task = JSON.parse(process.argv[2] as string) as OutageTask;
const { timeout } = task;
const ledger = new Ledger(timeout, LOCK_TIMEOUT_MS);
watchOwnProcess((problem) => ledger.noteProblem(problem));
const socketsBefore = openSockets();
const [main, other] = [open('outage'), open('other')];
const load = new Load(main.region, ledger, task.loses);
let finished = false;

interface Opened {
  readonly region: Region;
  close(): Promise<void>;
}

function open(name: string): Opened {
  const options = { timeout, lockTimeout: LOCK_TIMEOUT_MS };
  const { backend, args } = task;
  const region = createRegion({ name });
  if (backend === 'memcached') {
    region.configure('memcached', { ...options, arguments: { ...(args as MemcachedArguments), lease: LEASE } });
    return { region, close: () => region.close() };
  }
  const redis = { ...options, arguments: { ...(args as RedisArguments), lease: LEASE } };
  if (backend === 'redis') {
    region.configure('redis', redis);
    return { region, close: () => region.close() };
  }
  const behind = createRegion({ name }).configure('redis', { ...redis, grace: 0 });
  region.configure('keyv', { ...options, arguments: { store: new Keyv({ store: regionStore(behind) }) } });
  return {
    region,
    async close() {
      await region.close();
      await behind.close();
    },
  };
}

/** Closing is bounded too, and what comes after it is refused. */
async function close({ region, close: end }: Opened): Promise<void> {
  const began = ownTime();
  await end().catch((error) => ledger.noteProblem(`close failed: ${describe(error)}`));
  const ms = ownTime() - began;
  const limit = (task.backend === 'keyv' ? 2 : 1) * (timeout + 100) + LOCK_TIMEOUT_MS;
  if (ms > limit) ledger.noteProblem(`close took ${ms.toFixed(0)} ms, of ${limit}`);
  const error: unknown = await region.get('k').catch((reason) => reason);
  if (!(error instanceof StockpileError)) ledger.noteProblem(`after close: ${describe(error)}`);
}

async function left(): Promise<string[]> {
  let found: string[] = [];
  for (const end = ownTime() + GRACE_MS; ownTime() < end; ) {
    await after(10);
    const sockets = openSockets() - socketsBefore;
    const active = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap' && name !== 'Pipe');
    found = [...active, ...(sockets > 0 ? [`${sockets} sockets`] : [])];
    if (found.length === 0) break;
  }
  return found;
}

serve(
  {
    async begin() {
      if (!(await load.roundTrip())) ledger.noteLate('nothing can be stored before the fault');
      await ledger.measure('set', () => other.region.set('k', 1));
      load.start();
    },
    phase(phase: Phase) {
      ledger.phase = phase;
    },
    cutOff(whether: boolean) {
      ledger.cutOff = whether;
    },
    /** While the fault lasts: other users of the server, who know nothing of each other, come and go. */
    async closeOther() {
      void other.region.get('k').catch(() => {}); // in flight, if the fault lets it
      await close(other);
    },
    /** What the application is told of the servers. */
    states: () => main.region.stats().servers.map(({ state }) => state),
    /** ms until a round trip has succeeded, from now on; undefined: none has. */
    async recover() {
      const began = performance.now();
      while (performance.now() - began < PATIENCE_MS) {
        if (await load.roundTrip()) return performance.now() - began;
        await after(20);
      }
      return undefined;
    },
    async finish(): Promise<OutageReport> {
      if (!(await load.stop(PATIENCE_MS / 2))) ledger.noteHanging();
      else if (!(await load.lookAgain())) ledger.noteLate('not everything can be read after recovery');
      if (load.hits === 0) ledger.noteProblem('no read has ever found a value');
      const down = main.region.stats().servers.filter(({ state }) => state !== 'up');
      if (down.length > 0) ledger.noteLate(`after recovery: ${JSON.stringify(down)}`);
      await close(main);
      finished = true;
      return { ...ledger.report(), left: await left() };
    },
  },
  () => finished,
);
