/** The demo: `npm run demo`. Here is the order of things; each has a file of its own. */

import { emptyBackends, openBackends, UNCACHED } from './backends.js';
import { bytes, count, painter, plural } from './format.js';
import { type Input, InputError, readInput } from './input.js';
import { HELP, type Options, readOptions, UsageError } from './options.js';
import { Progress } from './progress.js';
import { resultLines } from './result-table.js';
import { runAll } from './runs.js';

/** Every demo makes the same choices. */
const SEED = 20_240_229;
/** For all runs together, ms: with what comes before and after them, the demo ends in under a minute. */
const TOTAL_MS = 45_000;
/** For reading the packages once, ms; what does not fit in is left out. */
const READING_MS = 5000;

const { stdout } = process;
const paint = painter(stdout, process.env);
const say = (line: string): unknown => stdout.write(`${line}\n`);

async function demo(options: Options): Promise<number> {
  const deadline = performance.now() + TOTAL_MS;
  const progress = new Progress(stdout);
  const opened = openBackends(options.backend);
  try {
    say(
      `${paint('bold', 'Stockpile demo')}: a report for each installed package, uncached, then through each backend.`,
    );
    const input = await readInput(process.cwd(), options, SEED, READING_MS, progress);
    say(`${describe(input)}; ${plural(options.workers, 'concurrent caller')}, a few packages much in demand.\n`);

    const keys = input.packages.map(({ key }) => key);
    const { available, further, unusable } = await emptyBackends(opened, keys);
    const { runs, checked, problems } = await runAll(available, input, options, SEED, deadline, progress);

    const width = stdout.isTTY ? stdout.columns : undefined;
    for (const line of resultLines(runs, UNCACHED, width, paint)) say(line);
    say('');
    for (const problem of problems) say(paint('red', problem));
    if (problems.length === 0) {
      const names = runs.map(({ name }) => name).join(', ');
      say(`${paint('green', 'Identical')}: all ${count(checked)} reports from ${names} equal those computed directly.`);
    }
    for (const text of unusable) say(`Installed, but not usable here: ${text}.`);
    if (further.length > 0) {
      say(
        `Further backends, as they come out: ${further.join(', ')}; each joins the demo after npm install @stockpile/backend-<name>.`,
      );
    }
    const asked = options.backend === undefined || available.some(({ name }) => name === options.backend);
    return problems.length === 0 && asked ? 0 : 1;
  } finally {
    await Promise.allSettled(opened.available.map(({ region }) => region.close()));
  }
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
    const expected = error instanceof UsageError || error instanceof InputError;
    const text = expected
      ? error.message
      : `the demo failed: ${error instanceof Error ? error.message : String(error)}`;
    process.stderr.write(`${text}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

stdout.on('error', () => process.exit(1)); // `npm run demo | head -1`: nobody reads on
process.exitCode = await main();
