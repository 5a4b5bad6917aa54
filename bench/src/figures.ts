/** How the promised figures were met. */

import { type Rounds, ratios, type Spread, spread } from './harness.js';
import type { Holder, ValueKind } from './heap.js';
import { PROMISED } from './promised.js';

/** ns per call, by group and contender. */
export type Measured = Readonly<Record<string, Rounds>>;
/** Bytes per entry, one number per child process. */
export type HeapMeasured = Readonly<Record<ValueKind, Readonly<Record<Holder, readonly number[]>>>>;

export interface Figure {
  readonly what: string;
  readonly against: string;
  readonly limit: number;
  /** Of a figure that is no ratio. */
  readonly unit?: string;
  /** Undefined where a side has no number. */
  readonly ratio: Spread | undefined;
  /** Why this machine cannot tell. */
  readonly skipped?: string;
}

const HEAP_LIMIT = 1.6;

/** `skipped`: by group, why it was not measured. */
export function figures(
  measured: Measured,
  heap: HeapMeasured | undefined,
  skipped: Readonly<Record<string, string>> = {},
): Figure[] {
  const asked = PROMISED.filter(({ of: [group] }) => measured[group] !== undefined || skipped[group] !== undefined);
  const timed = asked.map(({ of, ...promised }) => {
    const [group, ours, theirs] = of;
    const mine = measured[group]?.[ours];
    const other = theirs === undefined ? mine?.map(() => 1) : measured[group]?.[theirs];
    const reason = skipped[group];
    return {
      ...promised,
      ratio: mine && other && spread(ratios(mine, other)),
      ...(reason !== undefined && { skipped: reason }),
    };
  });
  const held = Object.entries(heap ?? {}).map(([kind, { region, map }]) => ({
    what: `heap per entry, memory (1 M ${kind})`,
    against: 'Map of { value, expiresAt }',
    limit: HEAP_LIMIT,
    ratio: spread(ratios(region, map)),
  }));
  return [...timed, ...held];
}

export function isMet({ ratio, limit }: Figure): boolean {
  return ratio !== undefined && ratio.median <= limit;
}

/** It was measured, and is not as promised. */
export function isMissed(figure: Figure): boolean {
  return figure.skipped === undefined && !isMet(figure);
}

/** `0.25 (0.24 to 0.27), at most 0.33: ok` */
export function verdict(figure: Figure): string {
  if (figure.skipped !== undefined) return `not measured: ${figure.skipped}`;
  if (figure.ratio === undefined) return `no number: the gate refused a side: miss`;
  const unit = figure.unit === undefined ? '' : ` ${figure.unit}`;
  return `${show(figure.ratio)}${unit}, at most ${digits(figure.limit)}${unit}: ${isMet(figure) ? 'ok' : 'miss'}`;
}

export function show({ median, p25, p75 }: Spread): string {
  return `${digits(median)} (${digits(p25)} to ${digits(p75)})`;
}

/** Three digits that matter. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return '-';
  return value >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}
