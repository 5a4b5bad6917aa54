/** What every contender works on: the same keys, values and ttl. */

export interface Value {
  readonly id: number;
  readonly name: string;
  readonly email: string;
  readonly active: boolean;
  readonly roles: readonly string[];
}

export const TTL_MS = 600_000;
export const KEY_COUNT = 1000;
/** Keys of a multi operation. */
export const SLICE = 100;

export const values: readonly Value[] = Array.from({ length: KEY_COUNT }, (_, id) => ({
  id,
  name: `User ${id}`,
  email: `user${id}@example.org`,
  active: id % 2 === 0,
  roles: ['reader', 'writer'],
}));
export const keys: readonly string[] = values.map(({ id }) => `user:${id}`);
/** The keys in slices of 100. */
export const slices: readonly (readonly string[])[] = Array.from({ length: KEY_COUNT / SLICE }, (_, i) =>
  keys.slice(i * SLICE, (i + 1) * SLICE),
);

const byKey = new Map(keys.map((key, i) => [key, values[i] as Value]));

/** The instant creator. */
export function load(key: string): Value {
  return byKey.get(key) as Value;
}
