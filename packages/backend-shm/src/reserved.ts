/** Keys that regions never use: what the backend keeps for itself in a segment. */

/** Regions refuse keys that begin with this. */
export const RESERVED = '\0stockpile.';

/** Whether those who asked for `prefix` are to see `key`: what is reserved only if that is what they asked for. */
export function isVisible(key: string, prefix: string): boolean {
  return !key.startsWith(RESERVED) || prefix.startsWith(RESERVED);
}
