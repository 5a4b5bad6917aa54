/** A segment as this thread has it open: one attachment for all who open it here, made anew when its file is replaced. */

import type { StockpileError } from '@stockpile/core';
import { SegmentOpenError } from './errors.js';
import { checkGeometry, warnOnce } from './geometry.js';
import { loadNative } from './load-native.js';
import { LockQueues } from './lock-queues.js';
import { FLAGS, META, type NativeSegment, Rc } from './native.js';
import { openError } from './open-error.js';
import type { SegmentSettings } from './options.js';
import { Snapshots } from './persistence.js';
import { ofKey, rcError, type Subject } from './rc-error.js';
import { RESERVED } from './reserved.js';
import { SegmentEvents } from './segment-events.js';

const SCRATCH_BYTES = 64 * 1024;
/** Size, header and key of a record beside its value. */
const RECORD_OVERHEAD = 4096 + 64;

const open = new Map<string, Attachment>();

/** Opens a segment, or shares what this thread has open of it. To be given back to `detach`. */
export function attach(settings: SegmentSettings): Attachment {
  const id = `${settings.directory}/${settings.name}`;
  const shared = open.get(id);
  const attachment = shared ?? new Attachment(id, settings);
  try {
    attachment.join(settings);
  } catch (error) {
    if (shared === undefined) attachment.native.close();
    throw error;
  }
  open.set(id, attachment);
  return attachment;
}

/** The last one to give it back, with what it was attached by, closes it, after a snapshot where these are kept. */
export function detach(attachment: Attachment, settings: SegmentSettings): void {
  if (!attachment.leave(settings)) return;
  open.delete(attachment.id);
  attachment.close();
}

export class Attachment {
  /** By what each of its users has attached it. */
  readonly #users = new Set<SegmentSettings>();
  /** Replaced by `reattach`: to be looked up for each operation. */
  native: NativeSegment;
  /** Where the binding writes what it reads. Valid until the next operation. */
  scratch: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  readonly events: SegmentEvents = new SegmentEvents(this);
  readonly locks: LockQueues = new LockQueues(this);
  #snapshots: Snapshots | undefined;
  #nearHits = 0;
  /** `native` was closed, and none could be had in its place so far. */
  #isDetached = false;
  #ended = false;

  constructor(
    readonly id: string,
    /** What it is made by, if it has to be: of the first user who would have it made. */
    public settings: SegmentSettings,
  ) {
    this.native = this.#open();
  }

  /** Throws where it is not as this user needs it. */
  join(settings: SegmentSettings): void {
    this.#users.add(settings);
    this.#settle();
    try {
      if (this.#isDetached || this.native.orphaned()) this.reattach();
      checkGeometry(this.native, settings, settings.strict);
      this.#persist(settings);
    } catch (error) {
      this.leave(settings);
      throw error;
    }
  }

  /** Whether it was the last one. */
  leave(settings: SegmentSettings): boolean {
    this.#users.delete(settings);
    this.#settle();
    return this.#users.size === 0;
  }

  /** One number of what the last operation told of the entry. */
  meta(field: (typeof META)[keyof typeof META]): number {
    return this.native.meta[field] as number;
  }

  /** The outcome of `operation`, which is tried once more on a new attachment where the file was replaced. */
  run(operation: (native: NativeSegment) => number): number {
    const rc = operation(this.native);
    return this.#isGone(rc) ? operation(this.reattach()) : rc;
  }

  /** For what has no Rc to answer with. */
  get attached(): NativeSegment {
    return this.#isDetached ? this.reattach() : this.native;
  }

  /** A `get` that ended with an Rc other than a miss: what it gives after all. `Rc.miss` is the only number below 0. */
  getAfter(rc: number, key: string): string | number {
    let found: string | number = rc;
    let reattached = false;
    while (typeof found === 'number' && found < Rc.miss) {
      if (found === Rc.scratchTooSmall) this.#growScratch();
      else if (this.#isGone(found) && !reattached) {
        this.reattach();
        reattached = true;
      } else throw this.error(found, key);
      found = this.native.get(key);
    }
    return found;
  }

  /**
   * Attaches by name again: the file was removed or replaced, or the slot was lost. Where that fails the next operation
   * tries it once more.
   */
  reattach(): NativeSegment {
    const old = this.native;
    try {
      this.native = this.#open();
    } catch (error) {
      if (this.#isDetached || !isForWantOfFile(error)) throw error;
      // a removed file keeps its memory while we have it mapped: perhaps that is what is missing, to us or to others
      old.close();
      this.#isDetached = true;
      this.#reattachOrTellWaiters();
      return this.native;
    }
    old.close();
    this.#isDetached = false;
    this.events.reattached();
    this.locks.reattached();
    checkGeometry(this.native, this.settings, false);
    return this.native;
  }

  /** For who does nothing else that would show it. */
  checkFile(): void {
    this.native.holder(RESERVED); // takes the lock of a shard, and on the way looks at the file
    if (this.#isDetached || this.native.orphaned()) this.#recover();
  }

  countNearHit(): void {
    if (++this.#nearHits >= 256) this.tellNearHits();
  }

  tellNearHits(): void {
    if (this.#nearHits > 0) this.native.addNearHits(this.#nearHits);
    this.#nearHits = 0;
  }

  #persist({ snapshots }: SegmentSettings): void {
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
    this.#ended = true;
    this.#snapshots?.close();
    this.tellNearHits();
    this.events.close();
    this.locks.close();
    this.native.close();
  }

  /** The error for an operation that ended with `rc`. `bytes`: of the value that was to be written. */
  error(rc: number, key: string, bytes?: number): StockpileError {
    if (rc === Rc.lost) this.#recover();
    return this.errorOf(rc, ofKey(key, bytes));
  }

  errorOf(rc: number, subject: Subject): StockpileError {
    if (rc === Rc.lost) this.#recover();
    return rcError(rc, this, subject);
  }

  /** What a value may have, with a key of the greatest length. */
  get maxValueBytes(): number {
    return this.native.recordLimit - RECORD_OVERHEAD;
  }

  #open(): NativeSegment {
    const { directory, name, bytes, meanItemBytes, pinnedPercent, lifetime, neverEvicts, create, snapshots } =
      this.settings;
    let native: NativeSegment;
    try {
      native = loadNative().open({
        directory,
        name,
        bytes,
        meanItemBytes,
        pinnedPercent,
        flags: (neverEvicts ? FLAGS.neverEvicts : 0) | (lifetime === 'boot' ? 0 : FLAGS[lifetime]),
        create,
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
      warnOnce(this.settings, `segment '${name}': ${native.restoreFailures} entries of its snapshot were unreadable`);
    }
    return native;
  }

  /** Whether another attachment is needed. */
  #isGone(rc: number): boolean {
    return rc === Rc.orphaned || (rc === Rc.closed && !this.#ended);
  }

  /** What it is made by may have come or gone with a user. */
  #settle(): void {
    const users = [...this.#users];
    this.settings = users.find(({ create }) => create) ?? users[0] ?? this.settings;
  }

  /** Who waits for a lock would else hear nothing: no thread looks after a segment that is closed. */
  #reattachOrTellWaiters(): void {
    try {
      this.reattach();
    } catch (error) {
      this.locks.wake();
      throw error;
    }
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
      warnOnce(this.settings, `segment '${this.settings.name}' cannot be attached again: ${String(error)}`);
    }
  }
}

/** There is none, or no room for one. */
function isForWantOfFile(error: unknown): boolean {
  return (
    error instanceof SegmentOpenError &&
    (error.code === 'ERR_STOCKPILE_SHM_NO_SPACE' || error.code === 'ERR_STOCKPILE_SHM_ABSENT')
  );
}
