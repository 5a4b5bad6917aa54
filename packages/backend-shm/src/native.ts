/** The binding to the engine (native/addon.cc), as it is: numbers in and out, nothing is checked twice. */

/** How an operation ended, where it is not a count or a fence. The same list as `Rc` in native/engine.h. */
export const Rc = {
  ok: 0,
  miss: -1,
  exists: -2,
  changed: -3,
  notHeld: -4,
  notNumber: -5,
  tooLarge: -6,
  full: -7,
  pinnedFull: -8,
  busy: -9,
  lost: -10,
  tableFull: -11,
  held: -12,
  orphaned: -13,
  badKey: -14,
  /** `get`: the value does not fit into the scratch buffer; meta[META.valueBytes] says how much it needs. */
  scratchTooSmall: -15,
  /** The key has a lone surrogate. */
  illFormedKey: -16,
  closed: -17,
} as const;

/** What `meta` (a Float64Array over memory of the binding) tells after a read or a write. */
export const META = {
  version: 0,
  /** ms; 0 never. */
  expiresInMs: 1,
  inserted: 2,
  /** In words of 8 bytes from the start of the index area. */
  wordIndex: 3,
  /** The index word in two halves, as an Int32Array over the index area shows them (low first). */
  wordLow: 4,
  wordHigh: 5,
  valueBytes: 6,
  /** 1 bytes, 2 to 4 text, `NUMBER_KIND`. */
  kind: 7,
  number: 8,
  fence: 9,
} as const;

/** META.kind of a number. */
export const NUMBER_KIND = 6;

/** Longest key, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 4096;

/** What a segment was made with, as bits of `flags`. */
export const FLAGS = { neverEvicts: 1, processes: 2, persistent: 4 } as const;

/** When a store takes place; the argument is a version, a fence, or unused. */
export const IF = { always: 0, absent: 1, present: 2, version: 3, sameBytes: 4, fenced: 5 } as const;

/** As `ttl`: keep that of the entry. */
export const KEEP_TTL = -1;

/** Thrown by `open` with these fields; segment.ts makes the error that users see. */
export interface NativeFailure extends Error {
  /** The last part of ERR_STOCKPILE_SHM_…: see `Failure` in native/engine.h. */
  readonly failure: string;
  readonly errno: number;
  readonly detail: string;
  readonly wanted: number;
  readonly available: number;
  readonly total: number;
}

export interface NativeOpenOptions {
  readonly directory: string;
  readonly name: string;
  readonly bytes: number;
  readonly meanItemBytes: number;
  /** `FLAGS`. */
  readonly flags: number;
  readonly pinnedPercent: number;
  readonly create: boolean;
  /** '' for none. */
  readonly restoreFrom: string;
}

export interface Native {
  /** Attaches or creates. Throws `NativeFailure`. */
  open(options: NativeOpenOptions): NativeSegment;
  unlink(directory: string, name: string): boolean;
}

/** One attached segment of this thread. Every function is bound: it can be called without `this`. */
export interface NativeSegment {
  readonly created: boolean;
  readonly path: string;
  readonly byteSize: number;
  readonly shards: number;
  readonly flags: number;
  readonly recordLimit: number;
  readonly slot: number;
  readonly restored: number;
  readonly restoreFailures: number;
  readonly meta: Float64Array;
  /** Over the index area and over the page of shared words; undefined where the platform forbids such buffers. */
  readonly index: Int32Array | undefined;
  readonly shared: Int32Array | undefined;

  /** Bytes values are written to it; the caller keeps it alive by the binding's reference. */
  setScratch(buffer: Uint8Array): void;
  /** A text, or the byte length of a value that is now in the scratch buffer (of a number: its tail, number in meta), or an Rc below 0. */
  get(key: string): string | number;
  /** Rc; fills meta, without the value. Counts as a read where `count`. */
  peek(key: string, count: boolean): number;
  setText(key: string, text: string, ttl: number, when: number, argument: number): number;
  setBytes(key: string, bytes: Uint8Array, ttl: number, when: number, argument: number, pinned: boolean): number;
  /** `tail` are bytes kept beside the number. */
  setNumber(key: string, number: number, tail: Uint8Array, ttl: number, when: number, argument: number): number;
  /** Stores if the entry's bytes still are `expected` (of a number: tail, then float64). `asNumber`: the last 8 bytes of `bytes` are its number. */
  replaceBytes(key: string, expected: Uint8Array, bytes: Uint8Array, ttl: number, asNumber: boolean): number;
  /** Rc.ok or Rc.miss. */
  delete(key: string): number;
  touch(key: string, ttl: number): number;
  /** Rc; the sum in meta[META.number]. */
  increment(key: string, by: number): number;
  clear(prefix: string): number;

  /** Fills the scratch buffer with { u16 bytes, u64 inserted, key } records; bytes written. The position is in meta[0], meta[1]. */
  scan(prefix: string, shard: number, bucket: number): number;
  items(): number;
  liveBytes(): number;
  /** 13 numbers per shard: the fields of `ShardStats` in engine.h. */
  shardStats(): Float64Array;
  /** 16 counters of this participant, then 16 of all. */
  counters(): Float64Array;
  participants(): number;
  addNearHits(count: number): void;

  /** A fence above 0, or an Rc. */
  lock(key: string, ttl: number, contend: boolean): number;
  /** The same, blocking this thread for at most `wait` ms. */
  lockWaiting(key: string, ttl: number, wait: number): number;
  unlock(key: string, fence: number): number;
  holder(key: string): number;

  /** `wake` is called on this thread when there may be events to drain or locks to try again. */
  onWake(wake: () => void): void;
  /** Whether events wake us. */
  watchEvents(on: boolean): void;
  /** Whether freed locks wake us; while on, also every 20 ms, since the dead wake nobody. Keeps the process alive. */
  watchLocks(on: boolean): void;
  /**
   * Fills the scratch buffer with { u8 kind, u8 local, u16 key bytes, key } records, at most 256; how many.
   * meta[0]: how many were lost, meta[1]: bytes used.
   */
  drain(): number;

  bumpInvalidations(): void;
  invalidations(): number;

  orphaned(): boolean;
  unlink(): boolean;
  /** On a thread of the pool; resolves when it is on the disk. Rejects with `NativeFailure`. */
  snapshot(path: string): Promise<void>;
  snapshotNow(path: string): void;
  /** Detaches and unmaps. `index` and `shared` become empty. Idempotent; later calls answer Rc.closed. */
  close(): void;
}
