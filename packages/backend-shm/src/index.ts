/** Registers `shm` and types its arguments. */

import { registerBackend } from '@stockpile/core';
import type { ShmArguments } from './options.js';
import { ShmBackend } from './shm-backend.js';

export {
  type OpenErrorDetails,
  type OpenTrouble,
  SegmentError,
  SegmentFullError,
  SegmentOpenError,
  type SegmentTrouble,
  ShardBusyError,
  UnsupportedPlatformError,
} from './errors.js';
export type { NearCacheOptions, SegmentLifetime, SegmentOptions, ShmArguments } from './options.js';
export { Segment, unlinkSegment } from './segment.js';
export type { SegmentEntry, SegmentLockOptions, SegmentSetOptions, SegmentValue } from './segment-access.js';
export type { SegmentEvent } from './segment-events.js';
export type { OperationCounts, SegmentStats } from './segment-stats.js';
export { ShmBackend, type ShmOptions } from './shm-backend.js';

declare module '@stockpile/core' {
  interface BackendArguments {
    shm: ShmArguments;
  }
}

registerBackend('shm', (args, { clock }) => new ShmBackend({ ...args, clock }));
