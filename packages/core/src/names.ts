/** Whether options are an object, and their names those that are known. */

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

/** `undefined` is not giving it. */
function namesIn(given: object): string[] {
  return Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : name));
}

/** The name that was meant: the same but for the case and two letters, of short names one. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase();
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
