/** The pages: the generated parts of docs/benchmarks.md, between their marks, and the chart. */

import { readFileSync, writeFileSync } from 'node:fs';
import { chart } from './chart.js';
import { digits, show, verdict } from './figures.js';
import { objections } from './gate.js';
import type { Results } from './results.js';

const DOCS = new URL('../../docs/', import.meta.url);
const PAGE = new URL('benchmarks.md', DOCS);

/** Writes docs/benchmarks.json, .md and .svg. What stands outside the marks of the page stays. */
export function writeReport(results: Results): void {
  writeFileSync(new URL('benchmarks.json', DOCS), `${JSON.stringify(rounded(results), null, 2)}\n`);
  writeFileSync(new URL('benchmarks.svg', DOCS), chart(results));
  writeFileSync(PAGE, fill(readFileSync(PAGE, 'utf8'), parts(results)));
}

/** Replaces what stands between `<!-- name -->` and `<!-- /name -->`. */
export function fill(page: string, content: Readonly<Record<string, string>>): string {
  return Object.entries(content).reduce((text, [name, part]) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const from = text.indexOf(begin);
    const to = text.indexOf(end);
    if (from < 0 || to < from) throw new Error(`docs/benchmarks.md has no place between ${begin} and ${end}`);
    return `${text.slice(0, from + begin.length)}\n${part}\n${text.slice(to)}`;
  }, page);
}

function parts(results: Results): Record<string, string> {
  return {
    run: run(results),
    figures: figuresTable(results),
    groups: groupTables(results).join('\n\n'),
    heap: heapTable(results),
    gate: gateTable(results),
  };
}

export function run({ date, node, cpu, rounds, processes, versions }: Results): string {
  const peers = Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(', ');
  return `Measured on ${date} with Node ${node} on ${cpu}; ${processes} processes of ${rounds} rounds each. ${peers}.`;
}

export function figuresTable({ figures }: Results): string {
  return table(
    ['what', 'against', 'ratio, or what is named: median (quartiles), limit'],
    Object.values(figures).map((figure) => [figure.what, figure.against, verdict(figure)]),
  );
}

/** Of all groups, those that could not be measured in the end. */
export function groupTables(results: Results): string[] {
  const missing = Object.entries(results.skipped ?? {}).map(([id, reason]) => `Not measured, ${id}: ${reason}.`);
  return [...Object.keys(results.groups).map((id) => groupTable(results, id)), ...missing];
}

function groupTable({ groups }: Results, id: string): string {
  const { title = '', unit = 'ns', contenders = {} } = groups[id] ?? {};
  const rows = Object.entries(contenders).map(([name, { ns, ratio }]) => [name, digits(ns.median), show(ratio)]);
  return `### ${title}\n\n${table(['', unit, 'ratio'], rows)}`;
}

export function heapTable({ heap }: Results): string {
  const rows = Object.entries(heap).map(([kind, { map, region }]) => [
    kind,
    String(map),
    String(region),
    digits(region / map),
  ]);
  return table(['values', 'Map, bytes per entry', 'region, bytes per entry', 'ratio'], rows);
}

export function gateTable({ gate }: Results): string {
  const rows = Object.entries(gate).map(([name, result]) => [name, ...Object.values(result)]);
  const refused = Object.entries(gate).flatMap(([name, result]) => {
    const objection = objections(result);
    return objection === undefined ? [] : [`\n\nNo number for ${name}: ${objection}.`];
  });
  return table(['', ...Object.keys(Object.values(gate)[0] ?? {})], rows) + refused.join('');
}

/** Columns are padded, as the formatter of the repository wants them. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (cells[column] ?? '').padEnd(width)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

/** Three digits are all that such a measurement knows. */
function rounded(results: Results): unknown {
  return JSON.parse(
    JSON.stringify(results, (_, value: unknown) =>
      typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value,
    ),
  );
}
