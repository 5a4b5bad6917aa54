/**
 * What the driver keeps in Redis beside the entries. All names begin with the entry's own key or namespace, so that one
 * key pattern (`~users:*`, `&users:*`) is all the rights that a region needs, and a scan of a prefix finds its locks too.
 *
 *   entry          users:7
 *   lock           users:7 \0stockpile.lock             in a cluster with {users:7} after it: the same slot
 *   invalidations  users: \0stockpile.times
 *   channels       users: \0stockpile.events.<db>, …    messages know no databases
 */

import { hashMangler } from '@stockpile/core';
import { crc16, hashTag, SLOTS, slotOf } from './slots.js';

const LOCK = '\0stockpile.lock';
const TIMES = '\0stockpile.times';

/** `clears`: those that reach beyond one namespace; all who listen to events hear them. */
export type Channel = 'events' | 'clears' | 'unlock' | 'times';

/** What ends with the first ':'; `''` for keys without one. */
export function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf(':') + 1);
}

export function channelOf(kind: Channel, namespace: string, db: number): string {
  return `${namespace}\0stockpile.${kind}.${db}`;
}

export function timesKey(prefix: string): string {
  return prefix + TIMES;
}

export function isTimesKey(key: string): boolean {
  return key.endsWith(TIMES);
}

export function isLockKey(key: string): boolean {
  return key.includes(LOCK);
}

/** A pattern for the locks of the keys that begin with `prefix`. */
export function lockPattern(prefix: string): string {
  return `${escapePattern(prefix)}*${LOCK}*`;
}

/** For SCAN and PSUBSCRIBE: `text` and nothing else. */
export function escapePattern(text: string): string {
  return text.replace(/[*?[\]\\^-]/g, '\\$&');
}

/** Hashes keys that could be taken for one of the driver's own. Keeps the namespace. */
export function fitKey(key: string): string {
  return isLockKey(key) || isTimesKey(key) ? namespaceOf(key) + hashMangler(key) : key;
}

export function lockKey(key: string): string {
  return key + LOCK;
}

/** The same in the slot of `key`. */
export function clusterLockKey(key: string): string {
  const name = key + LOCK;
  if (hashTag(key) !== undefined) return name;
  if (!/[{}]/.test(key)) return `${name}{${key}}`;
  return withSlot(name, slotOf(key));
}

/** `name` with a number after it, such that it falls into `slot`. For keys with braces that make no hash tag: rare. */
function withSlot(name: string, slot: number): string {
  // the checksum begins where the hash tag does: after the first '{' unless that is followed by '}'
  const open = name.indexOf('{');
  const isEmptyTag = open >= 0 && name[open + 1] === '}';
  const ending = isEmptyTag ? '' : '}';
  const start = open < 0 ? `${name}{` : name;
  const hashed = isEmptyTag ? start : start.slice((open < 0 ? name.length : open) + 1);
  const before = crc16(Buffer.from(hashed));
  for (let n = 0; ; n++) if (crc16(Buffer.from(String(n)), before) % SLOTS === slot) return start + n + ending;
}
