/** The fault table, in Markdown. */

import { ROWS } from './fault-list.js';
import { type CaseResult, RECOVERY_MS, TIMEOUT_MS } from './run-case.js';

export interface TableEntry {
  readonly fault: string;
  readonly backend: string;
  readonly results: readonly CaseResult[];
}

/** The worst of all runs in each cell. */
export function faultTable(entries: readonly TableEntry[]): string[] {
  const sorted = entries.toSorted((a, b) => place(a) - place(b) || a.fault.localeCompare(b.fault));
  return [
    `| fault | backend | settled in (≤ ${TIMEOUT_MS + 100} ms) | errors | served by the creator | recovered in (≤ ${RECOVERY_MS} ms) | wrong values | left open |`,
    '|---|---|---|---|---|---|---|---|',
    ...sorted.map(row),
  ];
}

function place({ fault }: TableEntry): number {
  const at = ROWS.indexOf(fault);
  return at < 0 ? ROWS.length : at;
}

function row({ fault, backend, results }: TableEntry): string {
  const reports = results.flatMap(({ report }) => report ?? []);
  const during = reports.map(({ phases }) => phases.fault);
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  const codes = new Set(during.flatMap((phase) => Object.keys(phase.codes)));
  const created = sum(during.map((phase) => phase.created));
  const cells = [
    fault,
    backend,
    reports.length < results.length
      ? 'broke off'
      : ms(during.map(({ longest, longestCreation }) => Math.max(longest, longestCreation))),
    [...codes].map((code) => code.replace('ERR_STOCKPILE_BACKEND_', '')).join(', ') || 'none',
    created > 0 ? `yes (${created})` : 'no',
    ms(results.flatMap(({ recoveredIn }) => recoveredIn)),
    sum(reports.map(({ wrongCount }) => wrongCount)),
    reports.flatMap(({ left }) => left).join(', ') || 'nothing',
  ];
  return `| ${cells.join(' | ')} |`;
}

function ms(values: readonly number[]): string {
  const longest = Math.max(...values);
  return Number.isFinite(longest) ? `${longest.toFixed(0)} ms` : 'never';
}
