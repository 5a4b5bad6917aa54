/** What the lab runs: every file in experiments/ exports one as `experiment`. */

export interface Outcome {
  readonly verdict: 'pass' | 'fail' | 'skipped';
  /** What was injected, how often, what was checked, the worst stall; of a skipped one, why. Else the details are counted. */
  readonly summary?: string;
  /** Line by line; printed where something failed. */
  readonly details: readonly string[];
  /** Printed in any case: what was measured, in Markdown. */
  readonly table?: readonly string[];
}

export interface RunOptions {
  /** A sample in seconds, in place of the whole. */
  readonly short: boolean;
  /** How long it should work, where that makes sense for it. */
  readonly seconds?: number | undefined;
  readonly log: (line: string) => void;
}

export interface Experiment {
  readonly name: string;
  readonly describe: string;
  /** It works on cache servers; else, on the shared-memory engine. */
  readonly onServers?: boolean;
  run(options: RunOptions): Promise<Outcome>;
}
