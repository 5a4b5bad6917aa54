/** A backend whose operations fail as the test says. */

import { BackendUnavailableError } from '@stockpile/core';
import { AsyncBackend, type Operation } from './async-backend.js';

/** `refuse`: the connection is refused. `silent`: no answer ever. An error: thrown as it is. */
export type Fault = 'refuse' | 'silent' | Error;

const READS: readonly Operation[] = ['get', 'getMulti'];
const WRITES: readonly Operation[] = ['set', 'setMulti', 'delete', 'deleteMulti', 'clear'];
const LOCKS: readonly Operation[] = ['lock', 'unlock'];

export class FaultyBackend extends AsyncBackend {
  override readonly name: string = 'faulty';
  readonly #faults = new Map<string, Fault>();
  readonly #interrupts = new Set<(error: Error) => void>();

  /** From now on these operations fail; default: all. `set:key` is that of one stored key. */
  fail(
    fault: Fault,
    operations: readonly (Operation | `${Operation}:${string}`)[] = [...READS, ...WRITES, ...LOCKS],
  ): void {
    for (const operation of operations) this.#faults.set(operation, fault);
  }

  heal(): void {
    this.#faults.clear();
  }

  /** Cuts the connection: whoever waits for an answer gets `error` instead. */
  cut(error: Error): void {
    for (const interrupt of this.#interrupts) interrupt(error);
  }

  override answer<T>(operation: Operation, key: string, work: () => T | Promise<T>): Promise<T> {
    const fault = this.#faults.get(`${operation}:${key}`) ?? this.#faults.get(operation);
    if (fault === undefined) return this.#interruptible(super.answer(operation, key, work));
    this.calls.push(`${operation} ${key}`);
    if (fault === 'silent') return this.#interruptible(new Promise(() => {}));
    return Promise.reject(fault === 'refuse' ? new BackendUnavailableError('connection refused') : fault);
  }

  #interruptible<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupts.add(reject);
      work.then(resolve, reject).finally(() => this.#interrupts.delete(reject));
    });
  }
}
