/** What the demo asks of a worker process, and what it hears back: over IPC, one task at a time. */

import type { Place } from './backends.js';
import type { InstalledPackage } from './packages.js';
import type { Report } from './report.js';
import type { Work } from './workload.js';

/** In the order in which they are asked. */
export interface Tasks {
  /** Configure the region. */
  open: {
    details: { readonly backend: string; readonly place: Place; readonly packages: readonly InstalledPackage[] };
    answer: undefined;
  };
  /** Ask for the packages: `requests` times, in a sequence of your own, and for each at least once. */
  run: {
    details: {
      readonly requests: number;
      readonly seed: number;
      readonly callers: number;
      /** ms. */
      readonly limit: number;
    };
    answer: Work;
  };
  /** What does the cache hold now? */
  readBack: { details: undefined; answer: ReadonlyMap<string, Report> };
}

export type TaskName = keyof Tasks;

export type Task = { [N in TaskName]: { readonly name: N; readonly details: Tasks[N]['details'] } }[TaskName];

export type Reply =
  | { readonly kind: 'progress'; readonly done: number }
  | { readonly kind: 'answer'; readonly answer: Tasks[TaskName]['answer'] }
  | { readonly kind: 'failed'; readonly message: string };
