/** A runner that collects the tests of the suite and runs them without telling jest. */

import { type DescribeBackendOptions, describeBackend } from '../src/index.js';

export interface Outcome {
  /** Every title as 'group: title'. */
  readonly titles: readonly string[];
  readonly skipped: readonly string[];
  /** By title, what it failed with. */
  readonly red: ReadonlyMap<string, unknown>;
}

interface Collected {
  readonly title: string;
  readonly body: () => Promise<void>;
}

/** Runs the suite on a driver; `only` picks groups, and a test that takes more than `limit` ms hangs. */
export async function collect(
  options: Omit<DescribeBackendOptions, 'runner'>,
  only?: readonly string[],
  limit = 5000,
): Promise<Outcome> {
  const tests: Collected[] = [];
  const skipped: string[] = [];
  const path: string[] = [];
  const test = Object.assign(
    (title: string, body: () => Promise<void>) => void tests.push({ title: `${path.at(-1)}: ${title}`, body }),
    { skip: (title: string) => void skipped.push(`${path.at(-1)}: ${title}`) },
  );
  const describe = (title: string, body: () => void): void => {
    path.push(title);
    if (path.length < 2 || only === undefined || only.includes(title)) body();
    path.pop();
  };
  describeBackend({ ...options, runner: { describe, test } });
  const red = new Map<string, unknown>();
  for (const { title, body } of tests) {
    try {
      await limited(body(), limit);
    } catch (error) {
      red.set(title, error);
    }
  }
  return { titles: tests.map(({ title }) => title), skipped, red };
}

function limited(work: Promise<void>, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('the test hangs')), ms);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
