/** Do all backends give the same reports? */

import { isDeepStrictEqual } from 'node:util';
import type { Region } from '@stockpile/core';
import type { InstalledPackage } from './packages.js';
import { makeReport, type Report } from './report.js';

type Reports = ReadonlyMap<string, Report>;

/** What the backend holds now, for each key that was answered; what it dropped is made again. */
export async function readBack(
  region: Region<Report>,
  packages: readonly InstalledPackage[],
  answered: Reports,
): Promise<Map<string, Report>> {
  const directories = new Map(packages.map(({ key, directory }) => [key, directory]));
  const keys = [...answered.keys()];
  const reports = await region.getOrCreateMulti(keys, (missing) =>
    Promise.all(missing.map((key) => makeReport(directories.get(key) ?? ''))),
  );
  return new Map(keys.map((key, index) => [key, reports[index] as Report]));
}

/** A text for each answer that is not the expected report. */
export async function differences(
  backend: string,
  packages: readonly InstalledPackage[],
  expected: Reports,
  answers: Reports,
): Promise<string[]> {
  const problems: string[] = [];
  for (const { key, directory } of packages) {
    const answer = answers.get(key);
    const right = expected.get(key);
    if (answer === undefined || isDeepStrictEqual(answer, right)) continue;
    const changed = !isDeepStrictEqual(await makeReport(directory).catch(() => undefined), right);
    problems.push(
      changed
        ? `Not comparable: the files of ${key} changed while the demo ran; run it again.`
        : `Different: ${backend} gave another report of ${key}: ${changedFields(answer, right)}.`,
    );
  }
  return problems;
}

/** `bytes 12 instead of 11` */
function changedFields(answer: unknown, right: unknown): string {
  const given = fieldsOf(answer);
  const wanted = fieldsOf(right);
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(given)])];
  return names
    .filter((name) => !isDeepStrictEqual(given[name], wanted[name]))
    .map((name) => `${name} ${JSON.stringify(given[name])} instead of ${JSON.stringify(wanted[name])}`)
    .join(', ');
}

function fieldsOf(report: unknown): Record<string, unknown> {
  return typeof report === 'object' && report !== null ? { ...report } : { report };
}
