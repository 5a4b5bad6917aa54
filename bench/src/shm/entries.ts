/** What is stored where texts and bytes are compared: 100,000 keys, in an order that no processor foresees. */

export const COUNT = 100_000;
/** Characters of a value. */
export const LENGTH = 100;

export const names: readonly string[] = Array.from({ length: COUNT }, (_, i) => `item:${i}`);
/** The same keys in random order, as texts of their own: what is to be measured are the stores, not how texts lie here. */
export const shuffled: readonly string[] = shuffle(names.map((_, i) => i)).map((i) => `item:${i}`);

export function textOf(i: number, length: number = LENGTH): string {
  return `value of ${i} `.padEnd(length, 'abcdefghijklmnopqrstuvwxyz');
}

export function* entries(): Generator<readonly [string, string]> {
  for (const [i, name] of names.entries()) yield [name, textOf(i)];
}

/** Always the same order: the numbers are those of a linear congruential generator. */
function shuffle(numbers: readonly number[]): number[] {
  const result = [...numbers];
  let state = 42;
  for (let i = result.length - 1; i > 0; i--) {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    const other = Math.floor((state / 2 ** 31) * (i + 1));
    [result[i], result[other]] = [result[other] as number, result[i] as number];
  }
  return result;
}
