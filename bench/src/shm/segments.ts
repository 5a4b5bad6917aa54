/** Segments that last as long as the measuring process. */

import { Segment, SegmentOpenError, type SegmentOptions, UnsupportedPlatformError } from '@stockpile/backend-shm';
import { atExit, exitInTime } from '../at-exit.js';
import { Skip } from '../harness.js';
import { COUNT, entries } from './entries.js';

/** Room for 100,000 small entries; a container often has no more than 64 MB of shared memory. */
export const SEGMENT_BYTES: number = 32 * 2 ** 20;

/** Of an entry of 100 characters and its key of 16. As `meanItemBytes` it makes an index that fits. */
export const ENTRY_BYTES = 116;

let made = 0;

/** Like no other of this host. */
export function segmentName(): string {
  return `bench-${process.pid}-${++made}`;
}

/** A new segment. @throws Skip where there can be none. */
export function temporarySegment(options: Omit<SegmentOptions, 'name'> = {}, name = segmentName()): Segment {
  exitInTime(); // from now on a signal waits until the segment is known below
  const segment = orSkip(() => Segment.open({ size: SEGMENT_BYTES, ...options, name }));
  atExit(() => discard(segment));
  return segment;
}

/** One that holds `entries()`, but for a few in a hundred thousand whose place in the index was taken by others. */
export function filledSegment(): Segment {
  const segment = temporarySegment({ meanItemBytes: ENTRY_BYTES });
  for (const [key, text] of entries()) segment.set(key, text);
  if (segment.size < COUNT * 0.999) throw new Error(`${segment.size} of ${COUNT} entries are there`);
  return segment;
}

/** Nothing is left of it; may be called again. */
export function discard(segment: Segment): void {
  try {
    segment.unlink();
  } catch {
    return; // it is closed
  }
  segment.close();
}

/** What it gives, or the reason why this machine has no shared memory for us. */
export function orSkip<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof UnsupportedPlatformError || error instanceof SegmentOpenError) throw new Skip(error.message);
    throw error;
  }
}
