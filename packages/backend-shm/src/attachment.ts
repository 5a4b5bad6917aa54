/** A segment as this thread has it open: one attachment for all who open it here, made anew when its file is replaced. */

import type { StockpileError } from '@stockpile/core';
import { SegmentOpenError } from './errors.js';
import { loadNative } from './load-native.js';
import { LockQueues } from './lock-queues.js';
import { META, type NativeSegment, Rc } from './native.js';
import { inMegabytes, openError } from './open-error.js';
import type { SegmentSettings } from './options.js';
import { Snapshots } from './persistence.js';
import { rcError } from './rc-error.js';
import { RESERVED } from './reserved.js';
import { SegmentEvents } from './segment-events.js';

const SCRATCH_BYTES = 64 * 1024;
/** Size, header and key of a record beside its value. */
const RECORD_OVERHEAD = 4096 + 64;

const open = new Map<string, Attachment>();

/** Opens a segment, or shares what this thread has open of it. To be given back to `detach`. */
export function attach(settings: SegmentSettings): Attachment {
  const id = `${settings.directory}/${settings.name}`;
  const attachment = open.get(id) ?? new Attachment(id, settings);
  try {
    attachment.checkGeometry(settings);
    attachment.persist(settings);
  } catch (error) {
    if (attachment.users === 0) attachment.native.close();
    throw error;
  }
  attachment.users++;
  open.set(id, attachment);
  return attachment;
}

/** The last one to give it back closes it, after a snapshot where these are kept. */
export function detach(attachment: Attachment): void {
  if (--attachment.users > 0) return;
  open.delete(attachment.id);
  attachment.close();
}

export class Attachment {
  users = 0;
  /** Replaced by `reattach`: to be looked up for each operation. */
  native: NativeSegment;
  /** Where the binding writes what it reads. Valid until the next operation. */
  scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  readonly events: SegmentEvents = new SegmentEvents(this);
  readonly locks: LockQueues = new LockQueues(this);
  #snapshots: Snapshots | undefined;
  #nearHits = 0;

  constructor(
    readonly id: string,
    readonly settings: SegmentSettings,
  ) {
    this.native = this.#open();
  }

  /** One number of what the last operation told of the entry. */
  meta(field: (typeof META)[keyof typeof META]): number {
    return this.native.meta[field] as number;
  }

  /** The outcome of `operation`, which is tried once more on a new attachment where the file was replaced. */
  run(operation: (native: NativeSegment) => number): number {
    const rc = operation(this.native);
    return rc === Rc.orphaned ? operation(this.reattach()) : rc;
  }

  /** A `get` that ended with an Rc other than a miss: what it gives after all. `Rc.miss` is the only number below 0. */
  getAfter(rc: number, key: string): string | number {
    let found: string | number = rc;
    let reattached = false;
    while (typeof found === 'number' && found < Rc.miss) {
      if (found === Rc.scratchTooSmall) this.#growScratch();
      else if (found === Rc.orphaned && !reattached) {
        this.reattach();
        reattached = true;
      } else throw this.error(found, key);
      found = this.native.get(key);
    }
    return found;
  }

  /** Attaches by name again: the file was removed or replaced, or the slot was lost. */
  reattach(): NativeSegment {
    const old = this.native;
    this.native = this.#open();
    old.close();
    this.events.reattached();
    this.locks.reattached();
    return this.native;
  }

  /** For who does nothing else that would show it. */
  checkFile(): void {
    this.native.holder(RESERVED); // takes the lock of a shard, and on the way looks at the file
    if (this.native.orphaned()) this.#recover();
  }

  countNearHit(): void {
    if (++this.#nearHits >= 256) this.tellNearHits();
  }

  tellNearHits(): void {
    if (this.#nearHits > 0) this.native.addNearHits(this.#nearHits);
    this.#nearHits = 0;
  }

  /** Throws where `strict`, else warns once, if the segment is not what was asked for by name. */
  checkGeometry({ given, bytes, lifetime, neverEvicts, strict, name }: SegmentSettings): void {
    const { byteSize, shards, flags } = this.native;
    const differences: string[] = [];
    // rings are whole pages: what remains of the size asked for is not used
    if (given.has('size') && (byteSize > bytes || bytes - byteSize > (shards + 1) * 8192)) {
      differences.push(`its size is ${inMegabytes(byteSize)}, not ${inMegabytes(bytes)}`);
    }
    const found = flags & 2 ? 'processes' : flags & 4 ? 'persistent' : 'boot';
    if (given.has('lifetime') && found !== lifetime) differences.push(`its lifetime is '${found}', not '${lifetime}'`);
    if (given.has('whenFull') && Boolean(flags & 1) !== neverEvicts) {
      differences.push(`its whenFull is '${flags & 1 ? 'throw' : 'evict'}', not '${neverEvicts ? 'throw' : 'evict'}'`);
    }
    if (differences.length === 0) return;
    const message = `segment '${name}' exists with other settings: ${differences.join('; ')}`;
    if (strict) {
      throw new SegmentOpenError(
        'GEOMETRY',
        `${message}; ask for what is there, or remove it with unlinkSegment('${name}') while nobody uses it`,
      );
    }
    warnOnce(this.id, `${message}; it is used as it is`);
  }

  persist({ snapshots }: SegmentSettings): void {
    if (snapshots === undefined || this.#snapshots !== undefined) return;
    Snapshots.prepare(snapshots.directory, this.settings.name);
    this.#snapshots = new Snapshots(this, snapshots);
  }

  /** A snapshot that is being written. */
  get writing(): Promise<void> | undefined {
    return this.#snapshots?.writing;
  }

  /** After a last snapshot, where these are kept and none is being written. */
  close(): void {
    this.#snapshots?.close();
    this.tellNearHits();
    this.events.close();
    this.locks.close();
    this.native.close();
  }

  /** The error for an operation that ended with `rc`. `bytes`: of the value that was to be written. */
  error(rc: number, key: string, bytes?: number): StockpileError {
    if (rc === Rc.lost) this.#recover();
    return rcError(rc, this, key, bytes);
  }

  /** What a value may have, with a key of the greatest length. */
  get maxValueBytes(): number {
    return this.native.recordLimit - RECORD_OVERHEAD;
  }

  #open(): NativeSegment {
    const { directory, name, bytes, meanItemBytes, pinnedPercent, lifetime, neverEvicts, snapshots } = this.settings;
    let native: NativeSegment;
    try {
      native = loadNative().open({
        directory,
        name,
        bytes,
        meanItemBytes,
        pinnedPercent,
        flags: (neverEvicts ? 1 : 0) | (lifetime === 'processes' ? 2 : lifetime === 'persistent' ? 4 : 0),
        create: true,
        restoreFrom: snapshots === undefined ? '' : Snapshots.prepare(snapshots.directory, name),
      });
    } catch (error) {
      throw openError(error, this.settings);
    }
    native.setScratch(this.scratch);
    native.onWake(() => {
      this.events.wake();
      this.locks.wake();
    });
    if (native.created && native.restoreFailures > 0) {
      warnOnce(this.id, `segment '${name}': ${native.restoreFailures} entries of its snapshot were unreadable`);
    }
    return native;
  }

  #growScratch(): void {
    const wanted = Math.max(this.meta(META.valueBytes), this.scratch.length * 2);
    this.scratch = Buffer.allocUnsafeSlow(Math.ceil(wanted / 4096) * 4096);
    this.native.setScratch(this.scratch);
  }

  /** As far as that is possible now: the next operation tries again. */
  #recover(): void {
    try {
      this.reattach();
    } catch (error) {
      warnOnce(this.id, `segment '${this.settings.name}' cannot be attached again: ${String(error)}`);
    }
  }
}

const warned = new Set<string>();

/** Once per segment and text. */
function warnOnce(id: string, message: string): void {
  if (warned.has(id + message)) return;
  warned.add(id + message);
  process.emitWarning(message, 'StockpileWarning');
}
