/** What a run has found, as plain data: what the pages are made of. */

import { cpus } from 'node:os';
import { type Figure, figures, type HeapMeasured, isMet, type Measured } from './figures.js';
import type { GateResult } from './gate.js';
import { GROUPS, type Group } from './groups/index.js';
import { ratios, type Spread, spread } from './harness.js';
import { PEERS, versionOf } from './peers.js';
import { serverVersions } from './servers/start.js';

export interface Results {
  readonly date: string;
  readonly node: string;
  readonly cpu: string;
  readonly rounds: number;
  readonly processes: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly gate: Readonly<Record<string, GateResult>>;
  readonly groups: Readonly<Record<string, GroupResult>>;
  /** By group: why this machine has no numbers for it. Absent in the data of older runs. */
  readonly skipped?: Readonly<Record<string, string>>;
  /** Bytes per entry. */
  readonly heap: Readonly<Record<string, { readonly map: number; readonly region: number }>>;
  /** By their wording. */
  readonly figures: Readonly<Record<string, Figure & { readonly met: boolean }>>;
}

export interface GroupResult {
  readonly title: string;
  readonly reference: string;
  /** Of its numbers. Default ns. */
  readonly unit?: string;
  readonly contenders: Readonly<Record<string, ContenderResult>>;
}

export interface ContenderResult {
  readonly ns: Spread;
  /** Its time in those of the group's reference. */
  readonly ratio: Spread;
}

/** How the run was made. */
export interface RunInfo {
  readonly rounds: number;
  readonly processes: number;
}

export function summarise(
  info: RunInfo,
  gate: Results['gate'],
  measured: Measured,
  skipped: Readonly<Record<string, string>>,
  heap: HeapMeasured | undefined,
): Results {
  const found = figures(measured, heap, skipped);
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    cpu: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`,
    ...info,
    versions: { ...Object.fromEntries(PEERS.map((name) => [name, versionOf(name)])), ...serverVersions() },
    gate,
    groups: Object.fromEntries(Object.keys(measured).map((id) => [id, groupResult(id, measured)])),
    skipped,
    heap: Object.fromEntries(
      Object.entries(heap ?? {}).map(([kind, { map, region }]) => [
        kind,
        { map: Math.round(spread(map).median), region: Math.round(spread(region).median) },
      ]),
    ),
    figures: Object.fromEntries(
      found.map((figure) => [`${figure.what} / ${figure.against}`, { ...figure, met: isMet(figure) }]),
    ),
  };
}

function groupResult(id: string, measured: Measured): GroupResult {
  const { title, reference, unit } = GROUPS[id] as Group;
  const rounds = measured[id] ?? {};
  const base = rounds[reference] ?? [];
  const contenders = Object.fromEntries(
    Object.entries(rounds).map(([name, ns]) => [name, { ns: spread(ns), ratio: spread(ratios(ns, base)) }]),
  );
  return { title, reference, ...(unit !== undefined && { unit }), contenders };
}
