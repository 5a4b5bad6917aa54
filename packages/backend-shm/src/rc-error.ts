/** From how an operation ended to the error that users see. */

import { type ErrorDetails, StockpileError, show, ValidationError, ValueTooLargeError } from '@stockpile/core';
import { SegmentError, SegmentFullError, ShardBusyError } from './errors.js';
import { MAX_KEY_BYTES, Rc } from './native.js';
import { inUnits } from './open-error.js';

/** What is needed of an attachment. */
interface Failed {
  readonly native: { readonly byteSize: number };
  readonly settings: { readonly name: string; readonly pinnedPercent: number };
  readonly maxValueBytes: number;
}

/** What the operation was for. */
export interface Subject {
  /** Undefined: no key of the application's. */
  readonly key?: string;
  /** For the message. */
  readonly what: string;
  /** Of the value that was to be written. */
  readonly bytes?: number | undefined;
}

export function rcError(rc: number, segment: Failed, subject: Subject): StockpileError {
  const { key, what, bytes } = subject;
  const details = detailsOf(subject);
  const { native, settings, maxValueBytes } = segment;
  const where = `segment '${settings.name}'`;
  switch (rc) {
    case Rc.busy:
      return new ShardBusyError(
        `${where}, ${what}: a process that holds this part of it has not gone on, though it is alive; nothing was written (a clear may have removed a part). See whether one of its processes is stopped (SIGSTOP, a debugger, a frozen container) or gets no processor, then try again`,
        details,
      );
    case Rc.full:
      return new SegmentFullError(
        `${where} is full: there is no room for ${bytes ?? 'the'} bytes of ${what}, and whenFull is 'throw'; delete something, or make the segment anew with a larger 'size' than ${inUnits(native.byteSize)} (or, if its entries are small, a smaller 'meanItemBytes': its index has room for few)`,
        details,
      );
    case Rc.tooLarge:
      return tooLarge(subject, maxValueBytes, `${where} of ${inUnits(native.byteSize)}`, "'size'");
    case Rc.pinnedFull:
      return new SegmentError(
        'PINNED_FULL',
        `${where}, ${what}: the ${settings.pinnedPercent} % of it for entries that are never evicted are used up; delete some, or use a larger 'size'`,
        details,
      );
    case Rc.tableFull:
      return new SegmentError(
        'LOCK_TABLE_FULL',
        `${where}, ${what}: no free entry for its lock; hold fewer locks at a time, or use a larger 'size'`,
        details,
      );
    case Rc.lost:
      return new SegmentError(
        'LOST',
        `${where}, ${what}: the lock of this process on it was lost, perhaps since its files were closed by other code; it is attached anew, but a write may not have taken place: do it again`,
        details,
      );
    case Rc.orphaned:
      return new SegmentError('GONE', `${where} was removed again and again while it was attached; who removes it?`);
    case Rc.closed:
      return new SegmentError('CLOSED', `${where} is closed; open it again`);
    case Rc.illFormedKey:
      return new ValidationError(`key ${show(key)} is not well-formed Unicode: it has a lone surrogate`);
    case Rc.badKey:
      return badKey(key);
    default:
      return new StockpileError(`${where}, ${what}: the engine answered ${rc}`, details);
  }
}

/** For a value that can never be stored. */
export function tooLarge(subject: Subject, limit: number, whose: string, option: string): ValueTooLargeError {
  const { what, bytes = 'too many' } = subject;
  return new ValueTooLargeError(
    `${what}: the value has ${bytes} bytes, and the limit of ${whose} is ${limit}; cache less of it, or raise ${option}`,
    detailsOf(subject),
  );
}

/** What an operation on an entry was for. */
export function ofKey(key: string, bytes?: number): Subject {
  return { key, what: `key ${show(key)}`, bytes };
}

function detailsOf(subject: Subject): ErrorDetails {
  return subject.key === undefined ? {} : { key: subject.key };
}

function badKey(key: unknown): ValidationError {
  if (typeof key !== 'string') return new ValidationError(`a key must be a string, not ${show(key)}; write String(id)`);
  const bytes = Buffer.byteLength(key);
  return new ValidationError(
    bytes === 0
      ? `a key must not be the empty string; it has 1 to ${MAX_KEY_BYTES} bytes`
      : `key ${show(key)} has ${bytes} bytes; the limit is ${MAX_KEY_BYTES}: hash it, or shorten it`,
    { key },
  );
}
