/** Snapshots of a segment with lifetime 'persistent': one process of all writes them. */

import { existsSync, lstatSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { MAX_TIMER_MS } from '@stockpile/core';
import { SegmentOpenError } from './errors.js';
import { FLAGS, type NativeSegment } from './native.js';
import { reasonOf } from './open-error.js';
import { RESERVED } from './reserved.js';

const LOCK = `${RESERVED}snapshot`;
/** Workers that end together need not all write; the last one does in any case. */
const FRESH_MS = 1000;

/** What is needed of an attachment. */
interface Persistent {
  readonly native: NativeSegment;
  readonly settings: { readonly name: string };
}

export class Snapshots {
  readonly #segment: Persistent;
  readonly #path: string;
  readonly #interval: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #warned = false;
  /** The one that is being written. */
  writing: Promise<void> | undefined;

  /** Where the snapshot of `name` is, in a directory that only this user can write to. */
  static prepare(directory: string, name: string): string {
    const problem = (trouble: 'DIR' | 'OWNER' | 'MODE', what: string, cause?: unknown): SegmentOpenError =>
      new SegmentOpenError(trouble, `segment '${name}': snapshotDir ${directory} ${what}`, { cause });
    try {
      makeDirectories(directory);
    } catch (cause) {
      throw problem(
        'DIR',
        `cannot be made: ${String(cause)}; set 'snapshotDir' to a directory that is writable`,
        cause,
      );
    }
    const stat = lstatSync(directory);
    if (!stat.isDirectory()) throw problem('DIR', 'is no directory; set another');
    const user = process.geteuid?.() ?? stat.uid;
    if (stat.uid !== user) throw problem('OWNER', `belongs to user ${stat.uid}, not to ${user}; set another`);
    if ((stat.mode & 0o022) !== 0) throw problem('MODE', 'is writable for others; chmod 700, or set another');
    return join(directory, `${name}.snapshot`);
  }

  constructor(segment: Persistent, { directory, interval }: { directory: string; interval: number }) {
    this.#segment = segment;
    this.#path = join(directory, `${segment.settings.name}.snapshot`);
    this.#interval = interval;
    if (interval <= MAX_TIMER_MS) this.#timer = setInterval(() => this.#tick(), interval).unref();
  }

  /** Writes a last one, unless one is being written, or others are still there and one was written just now. */
  close(): void {
    clearInterval(this.#timer);
    const { native } = this.#segment;
    if (this.writing !== undefined || !isPersistent(native)) return;
    if (native.participants() > 1 && this.#age() < FRESH_MS) return;
    const fence = native.lockWaiting(LOCK, 0, 20);
    if (fence <= 0 && native.participants() > 1) return; // somebody else writes one
    try {
      native.snapshotNow(this.#path);
    } catch (error) {
      this.#warn(error);
    }
    if (fence > 0) native.unlock(LOCK, fence);
  }

  #tick(): void {
    const { native } = this.#segment;
    if (this.writing !== undefined || !isPersistent(native)) return;
    // each process comes by once per interval: one of them is enough
    if (this.#age() < this.#interval * 0.9) return;
    const fence = native.lock(LOCK, 0, false);
    if (fence <= 0) return; // another has it; or what is wrong will be seen by the next operation
    const written = native.snapshot(this.#path).catch((error: unknown) => this.#warn(error));
    this.writing = written.then(() => {
      this.writing = undefined;
      native.unlock(LOCK, fence);
    });
  }

  /** ms since the last one was written, by whomever. */
  #age(): number {
    try {
      return Math.abs(Date.now() - statSync(this.#path).mtimeMs);
    } catch {
      return Infinity;
    }
  }

  #warn(error: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    process.emitWarning(`no snapshot could be written to ${this.#path}: ${reasonOf(error)}`, 'StockpileWarning');
  }
}

/**
 * Whether there is a segment that snapshots are for: one that was made with another lifetime was not restored, and its
 * snapshot would take the place of what is there to be restored.
 */
function isPersistent(native: NativeSegment): boolean {
  return (native.flags & FLAGS.persistent) !== 0 && native.participants() > 0; // below 0: it is closed
}

/** One by one: below /proc, mkdir with `recursive` never returns. */
function makeDirectories(path: string): void {
  if (existsSync(path)) return;
  makeDirectories(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!existsSync(path)) throw error; // else another process was faster
  }
}
