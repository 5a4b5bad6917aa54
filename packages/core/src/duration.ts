/** Durations and byte sizes: what the application may write, and the numbers the rest of the code works with. */

import { inspect } from 'node:util';
import { ValidationError } from './errors.js';

/**
 * A number of milliseconds, or text: `'250ms'`, `'30s'`, `'10m'`, `'2h'`, `'7d'`. `Infinity` never expires, `0` is at
 * once. Negative numbers, NaN, booleans and other text are refused with a `ValidationError`.
 */
export type Duration = number | DurationText;
export type DurationText = `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

/** A number of bytes, or text in binary units: `'512K'`, `'128M'`, `'1.5G'` (1K = 1024 bytes). */
export type ByteSize = number | ByteSizeText;
export type ByteSizeText = `${number}${'' | 'B' | 'K' | 'M' | 'G' | 'b' | 'k' | 'm' | 'g'}`;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Milliseconds of `duration`; `name` is the option's name for the error. */
export function parseDuration(duration: Duration, name: string): number {
  if (typeof duration === 'number' && duration >= 0) return duration;
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(duration) : null;
  const ms = match ? Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN) : Number.NaN;
  if (Number.isNaN(ms)) {
    throw new ValidationError(
      `${name}: ${show(duration)} is no duration; use milliseconds from 0 to Infinity, or text like '250ms', '30s', '10m', '2h', '7d'`,
    );
  }
  return ms;
}

/** Whole bytes of `size`, at least 1; `name` is the option's name for the error. */
export function parseByteSize(size: ByteSize, name: string): number {
  const match = typeof size === 'string' ? /^(\d+(?:\.\d+)?)([bkmg]?)$/i.exec(size) : null;
  const unit = UNIT_BYTES[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN;
  const bytes = Math.floor(match ? Number(match[1]) * unit : typeof size === 'number' ? size : Number.NaN);
  if (!(bytes >= 1) || !Number.isSafeInteger(bytes)) {
    throw new ValidationError(
      `${name}: ${show(size)} is no size; use a number of bytes from 1, or text like '512K', '128M', '1.5G'`,
    );
  }
  return bytes;
}

/** How a refused value reads in a message: short, and with quotes around text. */
export function show(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 0, breakLength: Infinity });
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
