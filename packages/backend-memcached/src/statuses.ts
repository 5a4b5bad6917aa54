/** From what went wrong to the errors of the contract. `server` is its label, which names no password. */

import {
  BackendTimeoutError,
  BackendUnavailableError,
  type StockpileError,
  show,
  ValidationError,
  ValueTooLargeError,
} from '@stockpile/core';
import { STATUS } from './opcodes.js';

const MEANINGS: Readonly<Record<number, string>> = {
  [STATUS.invalid]: 'invalid arguments',
  [STATUS.notStored]: 'not stored',
  [STATUS.authFailed]: 'wrong user or password, or none where one is needed',
  8: 'wrong user or password, or none where one is needed',
  [STATUS.unknownCommand]: 'unknown command',
  [STATUS.outOfMemory]: 'out of memory',
  131: 'not supported',
  132: 'internal error',
  133: 'busy',
  134: 'temporary failure',
};

/** The error for a status that is no answer to what was asked. */
export function statusError(status: number, server: string): StockpileError {
  if (status === STATUS.tooLarge) {
    return new ValueTooLargeError(`${server}: the value is too large for the server; raise its item size (-I)`);
  }
  const meaning = MEANINGS[status] ?? 'not known';
  return new BackendUnavailableError(`${server} answered with status ${status}: ${meaning}`);
}

export function tooLarge(key: string, bytes: number, limit: number, remedy: string): ValueTooLargeError {
  return new ValueTooLargeError(`key ${show(key)}: the value has ${bytes} bytes; the limit is ${limit}: ${remedy}`);
}

export function unavailable(server: string, cause: Error): BackendUnavailableError {
  return new BackendUnavailableError(`${server}: ${messageOf(cause)}`, { cause });
}

export function timedOut(server: string, timeout: number): BackendTimeoutError {
  return new BackendTimeoutError(`${server} gave no answer within ${timeout} ms`);
}

export function closedError(): BackendUnavailableError {
  return new BackendUnavailableError("backend 'memcached' is closed");
}

export function overloaded(server: string, what: string): BackendUnavailableError {
  return new BackendUnavailableError(`${server}: ${what}: the server is slower than what is asked of it`);
}

export function notANamespace(prefix: string): ValidationError {
  return new ValidationError(
    `clear: memcached can only clear a whole namespace, which ends with its first ':', not ${JSON.stringify(prefix)}`,
  );
}

/** What begins like no reply. `byte`: the first of it. */
export function notMemcached(byte: number | undefined): string {
  return `its answer is not the binary protocol of memcached (it begins with byte ${byte}): is this another server, or one that wants TLS?`;
}

/** Several addresses that fail give an error without a message. */
function messageOf(error: Error & { code?: string; errors?: readonly Error[] }): string {
  return error.message || error.errors?.[0]?.message || error.code || error.name;
}
