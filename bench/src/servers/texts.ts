/** What is stored on servers: a text of 100 characters under each key. */

import { LENGTH, textOf } from '../shm/entries.js';
import { keys, slices, TTL_MS } from '../workload.js';

export { LENGTH };

export const texts: ReadonlyMap<string, string> = new Map(keys.map((key, i) => [key, textOf(i)]));
/** 100 at a time. */
export const textSlices: readonly ReadonlyMap<string, string>[] = slices.map(
  (slice) => new Map(slice.map((key) => [key, texts.get(key) as string])),
);

/** The name of all regions over servers, and their namespace. */
export const REGION = 'bench';

/** As drivers, and so bare clients of Redis, know the key of a region. */
export function stored(key: string): string {
  return `${REGION}:${key}`;
}

export const storedKeys: readonly string[] = keys.map(stored);
export const storedSlices: readonly (readonly string[])[] = slices.map((slice) => slice.map(stored));

/** Both ways to a server of this machine. */
export const WAYS = ['unix socket', 'TCP'] as const;
export type Way = (typeof WAYS)[number];

export { TTL_MS };
