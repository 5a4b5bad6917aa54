/** The demo: `npm run demo`. Here is the order of things; each has a file of its own. */

import { randomBytes } from 'node:crypto';
import {
  type Backends,
  backendsOf,
  closeBackends,
  emptyBackends,
  openBackends,
  type Place,
  sharedBackendsOf,
} from './backends.js';
import { brokenPromises, claimsOf } from './claims.js';
import { bytes, count, painter, plural } from './format.js';
import { type Input, InputError, readInput } from './input.js';
import { keyvStore } from './keyv-store.js';
import { NAMED_ONLY, SHARED, UNCACHED } from './known.js';
import { HELP, type Options, readOptions, UsageError, WORKERS } from './options.js';
import { runProcesses } from './processes.js';
import { Progress } from './progress.js';
import { processLines, resultLines } from './result-table.js';
import { type Outcome, runAll } from './runs.js';
import { NoServerError, openServer } from './server.js';
import { isInterrupted, onSignals } from './signals.js';
import { endWorkers } from './worker-process.js';

/** Every demo makes the same choices. */
const SEED = 20_240_229;
/** For all runs together, ms: with what comes before and after them, the demo ends in under a minute. */
const TOTAL_MS = 45_000;
/** What the comparison of processes at the end gets of it in any case. */
const COMPARISON_MS = 18_000;
/** For reading the packages once, ms; what does not fit in is left out. */
const READING_MS = 5000;
/** Of this demo only, also where several hosts share a server. */
const NAME = `demo-${process.pid}-${randomBytes(4).toString('hex')}`;

const { stdout } = process;
const paint = painter(stdout, process.env);
const style = { uncached: UNCACHED, width: stdout.isTTY ? stdout.columns : undefined, paint };
const progress = new Progress(stdout);
const say = (line: string): unknown => stdout.write(`${line}\n`);

async function demo(options: Options): Promise<number> {
  const deadline = performance.now() + TOTAL_MS;
  const { backend, workers } = options;
  let keys: readonly string[] = [];
  let opened: Backends | undefined;
  const opening = openServer(backend, { name: NAME }, process.env);
  const letGo = async (): Promise<void> => {
    await endWorkers();
    const server = await opening.catch(() => undefined);
    const complaint = await server?.release(keys);
    if (complaint !== undefined && !isInterrupted()) say(`${complaint}.`);
    if (opened !== undefined) await closeBackends(opened);
  };
  onSignals(letGo);
  try {
    const server = await opening;
    const place = { name: NAME, url: server?.url };
    opened = openBackends(workers === undefined ? backendsOf(backend) : sharedBackendsOf(backend), backend, place);
    const how = workers === undefined ? 'uncached, then through each backend' : 'wanted by several processes at a time';
    say(`${paint('bold', 'Stockpile demo')}: a report for each installed package, ${how}.`);
    const note = server?.line ?? (backend === 'keyv' ? keyvStore().line : undefined);
    if (note !== undefined) say(`${note}.`);
    const input = await readInput(process.cwd(), options, SEED, READING_MS, progress);
    say(`${describe(input)}; ${callersOf(options)}, a few packages much in demand.\n`);
    keys = input.packages.map(({ key }) => key);
    return await run(await emptyBackends(opened, keys), place, input, options, deadline);
  } finally {
    await letGo();
  }
}

async function run(usable: Backends, place: Place, input: Input, options: Options, deadline: number): Promise<number> {
  const { backend, workers } = options;
  const isUsable = (name: string): boolean => usable.available.some((one) => one.name === name);
  let well: boolean;
  if (workers === undefined) {
    const compares = backend === undefined && isUsable(SHARED);
    well = await inOneProcess(usable, input, options, deadline - (compares ? COMPARISON_MS : 0));
    await closeBackends(usable);
    if (compares) {
      say(`\nThe same packages wanted by ${WORKERS} processes at a time, ${callersOf(options)} in each:\n`);
      const afresh = { ...place, name: `${place.name}-shared` };
      const both = sharedBackendsOf(SHARED).filter(isUsable);
      well = (await inProcesses(both, WORKERS, afresh, input, options, deadline)) && well;
    }
  } else {
    await closeBackends(usable); // the workers open their own
    const names = usable.available.map(({ name }) => name);
    well = names.length > 0 && (await inProcesses(names, workers, place, input, options, deadline));
  }
  sayMissing(usable);
  if (backend === undefined) sayFurther();
  return well && (backend === undefined || isUsable(backend)) ? 0 : 1;
}

async function inOneProcess(
  { available }: Backends,
  input: Input,
  options: Options,
  deadline: number,
): Promise<boolean> {
  const outcome = await runAll(available, input, options, SEED, deadline, progress);
  for (const line of resultLines(outcome.runs, style)) say(line);
  say('');
  return sayChecked(outcome, '');
}

async function inProcesses(
  names: readonly string[],
  processes: number,
  place: Place,
  input: Input,
  { callers, seconds }: Options,
  deadline: number,
): Promise<boolean> {
  const crew = { processes, callers, place };
  const outcome = await runProcesses(names, crew, input, seconds, SEED, deadline, progress);
  for (const line of processLines(outcome.runs, style)) say(line);
  say('');
  for (const claim of claimsOf(outcome.runs)) say(claim);
  const broken = brokenPromises(outcome.runs);
  for (const text of broken) say(paint('red', text));
  return sayChecked(outcome, ` in ${plural(processes, 'process', 'processes')}`) && broken.length === 0;
}

function sayChecked({ runs, checked, problems }: Outcome, where: string): boolean {
  for (const problem of problems) say(paint('red', problem));
  if (problems.length > 0) return false;
  const names = runs.map(({ name }) => name).join(', ');
  say(
    `${paint('green', 'Identical')}: all ${count(checked)} reports from ${names}${where} equal those computed directly.`,
  );
  return true;
}

function sayMissing({ unusable, missing }: Backends): void {
  for (const text of unusable) say(`Installed, but not usable here: ${text}.`);
  if (missing.length > 0) {
    say(`Not installed: ${missing.join(', ')}; each joins the demo after npm install @stockpile/backend-<name>.`);
  }
}

function sayFurther(): void {
  say(`Further ones: npm run demo -- ${NAMED_ONLY.map((name) => `--backend ${name}`).join(', ')}.`);
}

function callersOf({ workers, callers }: Options): string {
  const each = plural(callers, 'concurrent caller');
  if (workers === undefined) return each;
  return workers === 1 ? `1 process with ${each}` : `${count(workers)} processes with ${each} each`;
}

function describe({ packages, installed, files, bytes: size }: Input): string {
  const some = packages.length < installed ? `${count(packages.length)} of ` : '';
  return `${some}${plural(installed, 'package')} in ${process.cwd()}: ${plural(files, 'file')}, ${bytes(size)}`;
}

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2));
    if (options !== 'help') return await demo(options);
    stdout.write(HELP);
    return 0;
  } catch (error) {
    if (isInterrupted()) return 1;
    const expected = [UsageError, InputError, NoServerError].some((kind) => error instanceof kind);
    const message = error instanceof Error ? error.message : String(error);
    const text = expected ? message : `the demo failed: ${message}`;
    process.stderr.write(`${text}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

stdout.on('error', () => process.exit(1)); // `npm run demo | head -1`: nobody reads on
process.exitCode = await main();
