/** What the demo works on: the installed packages, and their reports computed without any region. */

import type { Options } from './options.js';
import { findPackages, type InstalledPackage } from './packages.js';
import type { Progress } from './progress.js';
import { makeReport, type Report } from './report.js';
import { shuffled } from './zipf.js';

export interface Input {
  /** The most wanted one first. */
  readonly packages: readonly InstalledPackage[];
  /** Of each of them: what every backend's answers are compared with. */
  readonly expected: ReadonlyMap<string, Report>;
  /** How many packages there are, those that were left out included. */
  readonly installed: number;
  readonly files: number;
  readonly bytes: number;
}

/** The demo cannot run here; the message says what to do. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

const AT_A_TIME = 8;

/**
 * Takes `keys` packages of the checkout, or as many as can be read in `limit` ms.
 * @throws InputError where nothing is installed.
 */
export async function readInput(
  checkout: string,
  { keys }: Pick<Options, 'keys'>,
  seed: number,
  limit: number,
  progress: Progress,
): Promise<Input> {
  const installed = await findPackages(checkout);
  if (installed === undefined || installed.length === 0) {
    const state = installed === undefined ? 'there is no node_modules' : 'node_modules holds no package';
    throw new InputError(`${state} in ${checkout}; run 'npm ci' there, or start the demo where packages are installed`);
  }
  const chosen = shuffled(installed, seed).slice(0, keys);
  progress.start('reading', 'packages');
  const expected = await computeReports(chosen, limit, (done) => progress.update(done, done / chosen.length));
  progress.stop();
  const reports = [...expected.values()];
  return {
    packages: chosen.filter(({ key }) => expected.has(key)),
    expected,
    installed: installed.length,
    files: reports.reduce((total, { files }) => total + files, 0),
    bytes: reports.reduce((total, { bytes }) => total + bytes, 0),
  };
}

async function computeReports(
  packages: readonly InstalledPackage[],
  limit: number,
  onProgress: (done: number) => void,
): Promise<Map<string, Report>> {
  const started = performance.now();
  const reports = new Map<string, Report>();
  let next = 0;
  const worker = async (): Promise<void> => {
    do {
      const installed = packages[next++];
      if (installed === undefined) return;
      reports.set(installed.key, await makeReport(installed.directory));
      onProgress(reports.size);
    } while (performance.now() - started < limit);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return reports;
}
