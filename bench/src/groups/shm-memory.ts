/** Bytes of a full segment per entry, beyond those of its key and its value: index and all that is kept beside it. */

import type { Rounds } from '../harness.js';
import { LENGTH, textOf } from '../shm/entries.js';
import { discard, ENTRY_BYTES, SEGMENT_BYTES, temporarySegment } from '../shm/segments.js';
import type { CountedGroup } from './index.js';

const KEY_LENGTH = 16;

export const shmMemory: CountedGroup = {
  title: 'Shared memory: bytes per entry beyond its key of 16 and its value of 100',
  reference: 'meanItemBytes: 116',
  unit: 'bytes',
  async rounds(): Promise<Rounds> {
    return {
      'meanItemBytes: 116': [overhead(ENTRY_BYTES)],
      'meanItemBytes: 512, the default': [overhead(512)],
    };
  },
};

function overhead(meanItemBytes: number): number {
  const segment = temporarySegment({ size: SEGMENT_BYTES, meanItemBytes });
  const text = textOf(0);
  // twice as many as there could ever be room for
  const count = (2 * segment.byteSize) / (KEY_LENGTH + LENGTH);
  for (let i = 0; i < count; i++) segment.set(`key:${i}`.padEnd(KEY_LENGTH, '.'), text);
  const bytes = segment.byteSize / segment.size - KEY_LENGTH - LENGTH;
  discard(segment);
  return bytes;
}
