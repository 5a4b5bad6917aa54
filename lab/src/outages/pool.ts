/** Some at a time. */

/** The results, in order; no more than `most` of the works run at once. */
export async function inTurns<T, R>(most: number, all: readonly T[], work: (one: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const left = all.entries();
  const lane = async (): Promise<void> => {
    for (const [i, one] of left) results[i] = await work(one);
  };
  await Promise.all(Array.from({ length: most }, lane));
  return results;
}
