/** Reading options and arguments of drivers: their names, and values that may come as text. */

import { show } from './duration.js';
import { ValidationError } from './errors.js';

/** Anything else would be ignored in silence, such as a bare ttl. */
export function checkObject(options: unknown, what: string, example: string): void {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  throw new ValidationError(`${what}: options must be an object like ${example}, not ${show(options)}`);
}

/** Throws where a name is given that is none of `known`. */
export function refuseUnknown(given: object, known: readonly string[], what: string): void {
  for (const name of namesIn(given)) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw new ValidationError(
      `${what}: there is no ${show(name)}; ${near === undefined ? `there are ${known.join(', ')}` : `is it '${near}'?`}`,
    );
  }
}

/**
 * The same for names that are near to a known one, or in `others`, which says what they are called here. The rest may be
 * meant for another backend: the same arguments may go with any name of one.
 */
export function refuseMisspelt(
  given: object,
  known: readonly string[],
  others: Readonly<Record<string, string>>,
  what: string,
): void {
  for (const name of namesIn(given)) {
    if (known.includes(name)) continue;
    const meant = Object.hasOwn(others, name) ? others[name] : nearest(name, known);
    if (meant !== undefined) throw new ValidationError(`${what}: there is no ${show(name)}; is it '${meant}'?`);
  }
}

/** `true`, `false`, or these as text. */
export function booleanOf(given: unknown, option: string, allowed = 'true or false'): boolean {
  if (typeof given === 'boolean') return given;
  if (typeof given === 'string' && /^(true|false)$/i.test(given)) return given.toLowerCase() === 'true';
  throw new ValidationError(`${option}: must be ${allowed}, not ${show(given)}`);
}

/** A number, or one as text. */
export function wholeNumberOf(given: unknown, option: string, least: number, most: number): number {
  const number = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  if (typeof number === 'number' && Number.isInteger(number) && number >= least && number <= most) return number;
  throw new ValidationError(`${option}: must be a whole number from ${least} to ${most}, not ${show(given)}`);
}

/** A text that is not empty. Flat text makes a number of `'123'`, which prints back as it was. Not shown: it may be a password. */
export function secretOf(given: unknown, option: string): string {
  const text = typeof given === 'number' || typeof given === 'boolean' ? String(given) : given;
  if (typeof text === 'string' && text !== '' && !text.includes('\0')) return text;
  throw new ValidationError(`${option}: must be a text that is not empty, without NUL characters`);
}

/** `undefined` is not giving it. */
function namesIn(given: object): string[] {
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : name));
}

/** The name that was meant: the same but for case, '-' and '_', and two letters, of short names one. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase().replace(/[-_]/g, '');
  return known.find((each) => distance(lower, each.toLowerCase()) <= (each.length < 6 ? 1 : 2));
}

/** How many letters have to be changed, added or left out. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const changed = (row[j] as number) + (b[j] === letter ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] as number) + 1, (next[j] as number) + 1));
    }
    row = next;
  }
  return row.at(-1) as number;
}
