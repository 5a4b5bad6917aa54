/** `npm run lab`: injects what may happen to the shared-memory engine and to cache servers, and looks at what comes of it. */

import { existsSync, readdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Experiment, Outcome } from './experiment.js';

const USAGE = `npm run lab -- [options]
  --short        a sample of each experiment, for CI
  --only NAME    only these experiments, separated by commas; native, node or servers: all of the kind
  --seconds N    how long each one works, where that makes sense for it
  --verbose      print what they say meanwhile
  --list         say what there is`;

const options = readOptions();
const experiments = await findExperiments();
if (options.list) {
  for (const { name, describe } of experiments) console.log(`${name.padEnd(18)} ${describe}`);
} else {
  await runAll(choose(experiments, options.only));
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        short: { type: 'boolean', default: false },
        only: { type: 'string' },
        seconds: { type: 'string' },
        verbose: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
    if (seconds !== undefined && !(seconds > 0)) throw new Error('--seconds: a number over 0 is expected');
    if (!values.help) return { ...values, seconds };
    console.log(USAGE);
    process.exit(0);
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
  }
}

/** Every file in experiments/ is one; those on the engine itself first. */
async function findExperiments(): Promise<Experiment[]> {
  const folder = new URL('./experiments/', import.meta.url);
  const source = new URL('../src/experiments/', import.meta.url);
  const found: Experiment[] = [];
  for (const file of readdirSync(folder).sort()) {
    // what tsc made from a file that is gone stays in dist
    if (!file.endsWith('.js') || !existsSync(new URL(file.replace(/\.js$/, '.ts'), source))) continue;
    const { experiment } = (await import(new URL(file, folder).href)) as { experiment: Experiment };
    found.push(experiment);
  }
  return ['native', 'node', 'servers'].flatMap((kind) => found.filter((one) => kindOf(one) === kind));
}

function kindOf({ name, onServers = false }: Experiment): string {
  if (onServers) return 'servers';
  return name.startsWith('node-') ? 'node' : 'native';
}

function choose(all: readonly Experiment[], only: string | undefined): readonly Experiment[] {
  if (only === undefined) return all;
  return only.split(',').flatMap((name) => {
    const chosen = all.filter((one) => one.name === name || kindOf(one) === name);
    return chosen.length > 0 ? chosen : complain(`--only: there is no experiment '${name}'`);
  });
}

async function runAll(chosen: readonly Experiment[]): Promise<void> {
  const count = { pass: 0, fail: 0, skipped: 0 };
  for (const experiment of chosen) {
    const began = performance.now();
    const said: string[] = [];
    const log = (line: string): void => void (options.verbose ? console.log(`    ${line}`) : said.push(line));
    const {
      verdict,
      summary,
      details,
      table = [],
    }: Outcome = await experiment.run({ short: options.short, seconds: options.seconds, log }).catch((error) => ({
      verdict: 'fail' as const,
      summary: 'it broke off',
      details: [String(error?.stack ?? error)],
    }));
    count[verdict]++;
    const seconds = `${((performance.now() - began) / 1000).toFixed(1)} s`;
    const what = summary ?? `${experiment.describe} | ${details.filter((line) => line.startsWith('ok')).length} checks`;
    const word = { pass: 'passed', fail: 'FAILED', skipped: 'skipped' }[verdict];
    console.log(`${word.padEnd(8)} ${experiment.name.padEnd(18)} ${seconds.padStart(7)} | ${what}`);
    for (const line of table) console.log(line);
    if (verdict !== 'fail') continue;
    for (const line of details) console.log(`    ${line}`);
    for (const line of said.filter((line) => !details.includes(line)).slice(-40)) console.log(`    ${line}`);
  }
  const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : '';
  console.log(`${count.pass} passed, ${count.fail} failed${skipped}`);
  process.exitCode = count.fail > 0 ? 1 : 0;
}

function complain(what: string): never {
  console.error(`${what}\n\n${USAGE}`);
  process.exit(2);
}
