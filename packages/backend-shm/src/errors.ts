/** The errors of this backend, beside those of the core. */

import { type ErrorDetails, StockpileError } from '@stockpile/core';

/** There is no native part for this platform, cpu and libc, or the system refuses to load it. */
export class UnsupportedPlatformError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_SHM_UNSUPPORTED';
}

/** The last part of the code of a `SegmentError`. */
export type SegmentTrouble =
  /** A lock is needed and all entries for keys like this one are in use. Nothing was locked. */
  | 'LOCK_TABLE_FULL'
  /** The part of the segment for what is never evicted is used up. Nothing was written. */
  | 'PINNED_FULL'
  /** The system took this process for dead. It is attached anew; a write may or may not have taken place. */
  | 'LOST'
  /** The segment was removed again as soon as it was attached. */
  | 'GONE'
  /** The segment was used after `close`. */
  | 'CLOSED';

/** A segment that was open cannot do what was asked; `code` is `ERR_STOCKPILE_SHM_` and a `SegmentTrouble`. */
export class SegmentError extends StockpileError {
  override readonly code: `ERR_STOCKPILE_SHM_${SegmentTrouble}`;

  constructor(trouble: SegmentTrouble, message: string, details?: ErrorDetails) {
    super(message, details);
    this.code = `ERR_STOCKPILE_SHM_${trouble}`;
  }
}

/** A segment with `whenFull: 'throw'` has no room for the value. The old value stays. */
export class SegmentFullError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_SEGMENT_FULL';
}

/** Who holds a part of the segment is alive, but stopped or very slow. Nothing was written. */
export class ShardBusyError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_SHM_BUSY';
}

/** The last part of the code of a `SegmentOpenError`. */
export type OpenTrouble =
  /** The file system has no room for the segment. */
  | 'NO_SPACE'
  /** The directory or the file belongs to another user. */
  | 'OWNER'
  /** Others may write to the directory, or read the file. */
  | 'MODE'
  /** There is no such directory, or it cannot be made. */
  | 'DIR'
  /** The name is taken by something that is no regular file, or has a second name. */
  | 'KIND'
  /** The name is none. */
  | 'NAME'
  /** The file is damaged, cut short, or not ours. */
  | 'LAYOUT'
  /** All 256 places of participants are taken. */
  | 'SLOTS'
  /** The segment was made in another time namespace: its clock is another. */
  | 'NAMESPACE'
  /** There is none, and with `create: false` none is made. */
  | 'ABSENT'
  /** The size is out of range. */
  | 'SIZE'
  /** With `strict`: the segment that exists is not as asked for. */
  | 'GEOMETRY'
  /** The system refused something else; `errno` says what. */
  | 'SYSTEM';

export interface OpenErrorDetails extends ErrorDetails {
  readonly errno?: number;
  /** NO_SPACE, SIZE: bytes. */
  readonly requested?: number;
  readonly available?: number;
  readonly total?: number;
}

/** A segment cannot be attached or made; `code` is `ERR_STOCKPILE_SHM_` and an `OpenTrouble`. Nothing was changed. */
export class SegmentOpenError extends StockpileError {
  override readonly code: `ERR_STOCKPILE_SHM_${OpenTrouble}`;
  readonly errno: number | undefined;
  /** With NO_SPACE: the bytes asked for, those free in the file system, and all it has. */
  readonly requested: number | undefined;
  readonly available: number | undefined;
  readonly total: number | undefined;

  constructor(trouble: OpenTrouble, message: string, details: OpenErrorDetails = {}) {
    super(message, details);
    this.code = `ERR_STOCKPILE_SHM_${trouble}`;
    this.errno = details.errno;
    this.requested = details.requested;
    this.available = details.available;
    this.total = details.total;
  }
}
