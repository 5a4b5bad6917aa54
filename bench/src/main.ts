/** `npm run bench`: gate, comparisons, heap, figures, pages. */

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type HeapMeasured, isMissed } from './figures.js';
import { objections } from './gate.js';
import { GROUPS } from './groups/index.js';
import type { Rounds, Settings } from './harness.js';
import { HOLDERS, type Holder, VALUES, type ValueKind } from './heap.js';
import { figuresTable, gateTable, groupTables, heapTable, run, writeReport } from './report.js';
import { type Results, summarise } from './results.js';
import { inChild } from './tasks.js';

const USAGE = `npm run bench -- [options]
  --short        a quick run, for CI: fewer and shorter rounds; writes no pages
  --write        write docs/benchmarks.md, .svg and .json also after a short run
  --strict       end with code 1 if a figure is missed
  --json         print the results as JSON
  --only GROUP   measure one comparison, all whose names begin so (shm) or heap; writes no pages. There are
                 ${Object.keys(GROUPS).join(', ')}
  --from FILE    measure nothing: write the pages from the JSON of an earlier run`;

/** What a run takes: each comparison in `processes` fresh processes, whose rounds count together. */
interface Extent extends Settings {
  readonly processes: number;
}
const FULL: Extent = { processes: 3, rounds: 9, sideMs: 100, warmMs: 300 };
const SHORT: Extent = { processes: 1, rounds: 9, sideMs: 25, warmMs: 100 };

const options = readOptions();
if (options.from !== undefined) {
  writeReport(JSON.parse(readFileSync(options.from, 'utf8')) as Results);
} else {
  const results = await bench(options.short ? SHORT : FULL, options.only);
  console.log(options.json ? JSON.stringify(results, null, 2) : page(results));
  if (options.write || (!options.short && options.only === undefined)) writeReport(results);
  const missed = Object.values(results.figures).filter(isMissed).length;
  if (missed > 0) console.error(`${missed} of ${Object.keys(results.figures).length} figures are missed`);
  if (missed > 0 && options.strict) process.exitCode = 1;
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        short: { type: 'boolean', default: false },
        write: { type: 'boolean', default: false },
        strict: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        only: { type: 'string' },
        from: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.only !== undefined && values.only !== 'heap' && groupsNamed(values.only).length === 0) {
      throw new Error(`--only: there is no comparison '${values.only}'`);
    }
    if (!values.help) return values;
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

/** That one, or those of which it is the first part. */
function groupsNamed(name: string): string[] {
  return Object.keys(GROUPS).filter((id) => id === name || id.startsWith(`${name}-`));
}

async function bench({ processes, ...settings }: Extent, only: string | undefined): Promise<Results> {
  progress('gate');
  const gate = await inChild('gate', null);
  const failed = Object.keys(gate).filter((subject) => objections(gate[subject] as (typeof gate)[string]));
  const ids = only === undefined ? Object.keys(GROUPS) : groupsNamed(only);
  const measured: Record<string, Rounds> = {};
  const skipped: Record<string, string> = {};
  // the processes of one comparison lie apart, so that a slow minute of the machine does not hit all of them
  for (let process = 0; process < processes; process++) {
    for (const group of ids.filter((id) => skipped[id] === undefined)) {
      progress(`${group}, ${process + 1} of ${processes}`);
      const ran = await inChild('group', { group, settings, failed });
      if ('rounds' in ran) measured[group] = joined(measured[group], ran.rounds);
      else skipped[group] = ran.skipped;
      if ('skipped' in ran) progress(`${group} is not measured: ${ran.skipped}`);
    }
  }
  const heap = only === undefined || only === 'heap' ? await measureHeap(processes) : undefined;
  return summarise({ rounds: settings.rounds, processes }, gate, measured, skipped, heap);
}

async function measureHeap(processes: number): Promise<HeapMeasured> {
  const heap: Record<ValueKind, Record<Holder, number[]>> = {
    numbers: { map: [], region: [] },
    objects: { map: [], region: [] },
  };
  for (let process = 0; process < processes; process++) {
    progress(`heap, ${process + 1} of ${processes}`);
    for (const kind of VALUES) {
      for (const holder of HOLDERS) heap[kind][holder].push(await inChild('heap', { holder, kind }));
    }
  }
  return heap;
}

function joined(one: Rounds | undefined, other: Rounds): Rounds {
  if (one === undefined) return other;
  return Object.fromEntries(Object.entries(one).map(([name, ns]) => [name, [...ns, ...(other[name] ?? [])]]));
}

/** What a person reads. */
function page(results: Results): string {
  return [
    run(results),
    gateTable(results),
    ...groupTables(results),
    '### Heap',
    heapTable(results),
    '### Figures',
    figuresTable(results),
  ].join('\n\n');
}

function progress(what: string): void {
  process.stderr.write(`${what}\n`);
}
