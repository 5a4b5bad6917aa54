/** Whether a segment that was found is the one that was asked for. */

import { SegmentOpenError } from './errors.js';
import { FLAGS, type NativeSegment } from './native.js';
import { inUnits, unlinkCall } from './open-error.js';
import type { SegmentSettings } from './options.js';

/** Throws where `strict`, else warns once, if the segment is not what was asked for by name. */
export function checkGeometry(
  { byteSize, shards, flags }: Pick<NativeSegment, 'byteSize' | 'shards' | 'flags'>,
  settings: SegmentSettings,
  strict: boolean,
): void {
  const { given, bytes, lifetime, neverEvicts, name, directory } = settings;
  const differences: string[] = [];
  // rings are whole pages: what remains of the size asked for is not used
  if (given.has('size') && (byteSize > bytes || bytes - byteSize > (shards + 1) * 8192)) {
    differences.push(`its size is ${inUnits(byteSize)}, not ${inUnits(bytes)}`);
  }
  const found = flags & FLAGS.processes ? 'processes' : flags & FLAGS.persistent ? 'persistent' : 'boot';
  if (given.has('lifetime') && found !== lifetime) {
    const loss = lifetime === 'persistent' ? ' (no snapshot is read into it, and none written)' : '';
    differences.push(`its lifetime is '${found}', not '${lifetime}'${loss}`);
  }
  if (given.has('whenFull') && Boolean(flags & FLAGS.neverEvicts) !== neverEvicts) {
    differences.push(
      `its whenFull is '${flags & FLAGS.neverEvicts ? 'throw' : 'evict'}', not '${neverEvicts ? 'throw' : 'evict'}'`,
    );
  }
  if (differences.length === 0) return;
  const message = `segment '${name}' exists with other settings: ${differences.join('; ')}`;
  if (strict) {
    throw new SegmentOpenError(
      'GEOMETRY',
      `${message}; ask for what is there, or remove it with ${unlinkCall(name, directory)} while nobody uses it`,
    );
  }
  warnOnce(settings, `${message}; it is used as it is`);
}

const warned = new Set<string>();

/** Once per segment and text. */
export function warnOnce({ directory, name }: SegmentSettings, message: string): void {
  const id = `${directory}/${name} ${message}`;
  if (warned.has(id)) return;
  warned.add(id);
  process.emitWarning(message, 'StockpileWarning');
}
