/** From what the engine says to what the user can do about it. */

import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { StockpileError } from '@stockpile/core';
import { type OpenTrouble, SegmentOpenError, ShardBusyError } from './errors.js';
import type { NativeFailure } from './native.js';

/** What was asked for, for the message. */
export interface Wish {
  readonly directory: string;
  readonly name: string;
  readonly bytes: number;
  /** Nobody has chosen the size. */
  readonly isAuto?: boolean;
  /** False: it is not to be made. */
  readonly create?: boolean;
}

export const DEFAULT_DIR = '/dev/shm';

/** The error that users see for one of `open` or `unlink` of the binding. */
export function openError(cause: unknown, wish: Wish): Error {
  if (cause instanceof StockpileError) return cause; // of the loader
  if (!isNative(cause)) return new SegmentOpenError('SYSTEM', `${title(wish)}: ${String(cause)}`, { cause });
  // no cause: the message and the fields have all that is in a failure
  const failure = cause;
  const found = foundIn(cause);
  const code = failure.failure;
  if (code === 'BUSY') {
    return new ShardBusyError(
      `${title(wish)}: another process is attaching or leaving and has not gone on for 2 s${because(found)}; see whether one of its processes is stopped (SIGSTOP, a debugger, a frozen container), then try again`,
    );
  }
  const trouble = code in REMEDIES ? (code as OpenTrouble) : 'SYSTEM';
  return new SegmentOpenError(trouble, `${title(wish)}: ${REMEDIES[trouble](wish, failure, found)}`, {
    errno: failure.errno,
    requested: failure.wanted,
    available: failure.available,
    total: failure.total,
  });
}

/** What went wrong, in words, for any error. */
export function reasonOf(error: unknown): string {
  return isNative(error) ? foundIn(error) : error instanceof Error ? error.message : String(error);
}

const REMEDIES: Readonly<Record<OpenTrouble, (wish: Wish, failure: NativeFailure, found: string) => string>> = {
  ABSENT: ({ directory }) =>
    `there is none in ${dirname(directory)}, and create: false makes none; start first what uses it, or look for it by another 'name' or 'dir'`,
  NO_SPACE: ({ directory, bytes, isAuto }, { wanted, available, total }) =>
    `${inUnits(wanted || bytes)} ${isAuto ? "are what 'auto' needs at least" : 'were asked for'}, but of ${inUnits(total)} in ${directory} only ${inUnits(available)} are free; ` +
    "give it more (docker run --shm-size=256m, 'shm_size: 256m' in a compose file, an emptyDir with medium: Memory in Kubernetes), " +
    (isAuto ? "remove what is there, or set another 'dir'" : "set a smaller 'size', or another 'dir'"),
  OWNER: ({ directory }, _failure, found) =>
    `${directory} or the file in it belongs to another user${because(found)}; segments are shared by processes of one user: set another 'dir', or let its owner remove it`,
  MODE: ({ directory }, _failure, found) =>
    `others have access to ${directory} or to the file in it${because(found)}; only its owner may: chmod 700 for the directory, 600 for the file`,
  DIR: ({ directory }, _failure, found) =>
    `${directory} is no directory that can be used${because(found)}; set 'dir' to one that exists and is writable, best on a tmpfs`,
  KIND: ({ directory, name }, _failure, found) =>
    `the name is taken in ${directory} by what is no plain file${because(found)}; remove it there, or set another name than '${name}'`,
  NAME: ({ name }) => `'${name}' is no name; use 1 to 64 letters, digits, '.', '_' and '-', without a leading '.'`,
  LAYOUT: ({ name, directory }, _failure, found) =>
    `the file is damaged, cut short or no segment${because(found)}; remove it with ${unlinkCall(name, directory)}, and the next process makes a new one`,
  SLOTS: (_wish, _failure, found) =>
    `256 processes and worker threads have it open, which is the limit${because(found)}; use several segments, or fewer workers`,
  NAMESPACE: ({ name }, _failure, found) =>
    `it was made in another time namespace, where its clock shows another time${because(found)}; use another name than '${name}' here`,
  SIZE: ({ bytes }, _failure, found) =>
    `${bytes} bytes are out of range${because(found)}; 'size' is 1M to 1024G, and more than small 'meanItemBytes' take up for the index`,
  GEOMETRY: (_wish, _failure, found) => `it is there with other settings${because(found)}`,
  SYSTEM: ({ directory }, _failure, found) => `the system refused it in ${directory}${because(found)}`,
};

/** Not by its class: it may be of another realm. */
function isNative(error: unknown): error is NativeFailure {
  return typeof (error as Partial<NativeFailure> | undefined)?.failure === 'string';
}

function foundIn({ detail, errno }: NativeFailure): string {
  return [detail, describeErrno(errno)].filter((part) => part !== '').join(': ');
}

function title({ name }: Wish): string {
  return `segment '${name}'`;
}

function because(found: string): string {
  return found === '' ? '' : ` (${found})`;
}

function describeErrno(errno: number): string {
  const known = errno > 0 ? getSystemErrorMap().get(-errno) : undefined;
  return known === undefined ? '' : `${known[0]}, ${known[1]}`;
}

/** With the exact number, since it is one to compare with others. */
export function inUnits(bytes: number): string {
  const [unit, name] = bytes < 2 ** 30 ? [2 ** 20, 'MB'] : [2 ** 30, 'GB'];
  return `${(bytes / unit).toFixed(1)} ${name} (${bytes} bytes)`;
}

/** What removes the segment `name`, whose file is in `directory`. */
export function unlinkCall(name: string, directory: string): string {
  const dir = dirname(directory);
  return `unlinkSegment('${name}'${dir === DEFAULT_DIR ? '' : `, { dir: '${dir}' }`})`;
}
