/** What a case's result is worth. */

import type { Findings } from '../processes/findings.js';
import type { CaseResult } from './run-case.js';

/** Share of the time without a cpu beyond which a machine is too busy for time limits. */
const STARVED = 0.05;
const ATTEMPTS = 4;

/** Runs it again where it came too late on a machine that was too busy. Nothing else is excused by that. */
export async function unlessStarved(run: () => Promise<CaseResult>, note: (why: string) => void): Promise<CaseResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await run();
    const { failures, late, starved, report } = result;
    const excused = late.length > 0 && starved > STARVED && failures.length === 0 && report?.wrong.length === 0;
    if (!excused || attempt === ATTEMPTS) return result;
    note(`without a cpu for ${(100 * starved).toFixed(0)} % of the time, so once more: ${late[0]}`);
  }
}

export function judge(findings: Findings, name: string, { report, failures, late }: CaseResult): void {
  const all = [...failures, ...late];
  findings.check(name, all.length === 0, all.join('\n         '));
  const wrong = report?.wrong ?? [];
  findings.check(`${name}: no wrong value`, wrong.length === 0, wrong.join('\n         '));
}
