/** Values, keys and options of a segment, between its users and the binding. */

import { type Duration, parseDuration, show, ValidationError } from '@stockpile/core';
import type { Attachment } from './attachment.js';
import { IF, META, NUMBER_KIND, Rc } from './native.js';

/** Texts come back as texts, bytes as a Buffer of their own, numbers as numbers. */
export type SegmentValue = string | Uint8Array | number;

export interface SegmentEntry {
  readonly value: SegmentValue;
  /** Grows with each write of the key, over all keys and restarts; for `set({ version })`. */
  readonly version: number;
  /** ms until it ends; Infinity: it does not. */
  readonly expiresIn: number;
  /** Grows with each key that is new: the order of insertion. Overwrites keep it. */
  readonly inserted: number;
}

export interface SegmentSetOptions {
  /** Time until the entry ends, above 0, to the ms. Default Infinity. */
  readonly ttl?: Duration | undefined;
  /** Only if there is no entry of the key, or only if there is one. */
  readonly when?: 'absent' | 'present' | undefined;
  /** Only if the entry still has this version. */
  readonly version?: number | undefined;
}

export interface SegmentLockOptions {
  /** After this time others may take the lock though its holder lives. Default Infinity. */
  readonly ttl?: Duration | undefined;
  /** How long this thread stands still until the lock is free; at most 1 s. Default 0. */
  readonly wait?: Duration | undefined;
}

/** The keys of a segment, read from it in parts as large as the scratch buffer. Ends where another takes its place. */
export function* keysIn(segment: Attachment, prefix: string): Generator<string, void, undefined> {
  segment.checkFile(); // a scan would only find nothing
  const native = segment.attached;
  let [shard, bucket] = [0, 0];
  while (shard < native.shards && segment.attached === native) {
    const bytes = native.scan(prefix, shard, bucket);
    if (bytes < 0) throw segment.error(bytes, prefix);
    [shard = 0, bucket = 0] = native.meta;
    const keys: string[] = [];
    // { u16 bytes, u64 inserted, key } after each other
    for (let at = 0; at < bytes; ) {
      const begin = at + 10;
      at = begin + segment.scratch.readUInt16LE(at);
      keys.push(segment.scratch.toString('utf8', begin, at));
    }
    yield* keys;
  }
}

/** The value of a `get`, whatever that answered. */
export function valueFrom(segment: Attachment, key: string, answer: string | number): SegmentValue | undefined {
  let found = answer;
  if (typeof found === 'number' && found < Rc.miss) found = segment.getAfter(found, key);
  if (typeof found === 'string') return found;
  if (found === Rc.miss) return undefined;
  if (segment.meta(META.kind) === NUMBER_KIND) return segment.meta(META.number);
  return Buffer.from(segment.scratch.subarray(0, found));
}

/** ms as the binding takes them: 0 never ends. */
export function ttlOf(ttl: Duration | undefined): number {
  if (ttl === undefined || ttl === Infinity) return 0;
  const ms = parseDuration(ttl, 'ttl');
  if (ms > 0) return ms === Infinity ? 0 : ms;
  throw new ValidationError(`ttl: must be above 0, not ${show(ttl)}; delete(key) removes an entry at once`);
}

/** As the binding takes it. */
export function conditionOf({ when, version }: SegmentSetOptions): readonly [when: number, version: number] {
  if (version !== undefined) {
    if (when === undefined && Number.isSafeInteger(version)) return [IF.version, version];
    throw new ValidationError(`version: must be one of getEntry(), and without 'when', not ${show(version)}`);
  }
  if (when === undefined) return [IF.always, 0];
  if (when === 'absent' || when === 'present') return [when === 'absent' ? IF.absent : IF.present, 0];
  throw new ValidationError(`when: must be 'absent' or 'present', not ${show(when)}`);
}
