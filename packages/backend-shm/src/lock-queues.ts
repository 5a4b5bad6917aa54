/** Who waits for key locks of one segment in this thread: first come, first served, and only the first one asks. */

import { setTimeout } from 'node:timers';
import { MAX_TIMER_MS, onAbort, type StockpileError } from '@stockpile/core';
import { type NativeSegment, Rc } from './native.js';

/** What is needed of an attachment. */
interface Lockable {
  readonly native: NativeSegment;
  run(operation: (native: NativeSegment) => number): number;
  error(rc: number, key: string): StockpileError;
}

type Settle = (outcome: number | Error) => void;

/** So long as the table of locks has room for none of ours, its holders may wait for us: nested creators do. */
const MOST_STILL_MS = 5000;
/** Between two tries to free a lock in a part of the segment that somebody holds and does not go on with. */
const UNLOCK_RETRY_MS = 50;

export class LockQueues {
  readonly #queues = new Map<string, Set<Settle>>();
  readonly #segment: Lockable;
  /** When this thread last got a lock, freed one, or began to wait for one; by performance.now(). */
  #movedAt = 0;

  constructor(segment: Lockable) {
    this.#segment = segment;
  }

  /**
   * The fence, or 0: somebody holds it, waits for it in this thread, or holds so many others that there is no place for
   * this one. `patient`: busy is no error, but not now.
   */
  tryLock(key: string, patient: boolean): number {
    if (this.#queues.has(key)) return 0;
    const fence = this.#segment.run((native) => native.lock(key, 0, false));
    if (fence > 0) return fence;
    if (fence === Rc.held || fence === Rc.tableFull || (fence === Rc.busy && patient)) return 0;
    throw this.#segment.error(fence, key);
  }

  /** The fence once it is had; 0 after `wait` ms or when `signal` is aborted. */
  wait(key: string, wait: number, signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      const queue = this.#queueOf(key);
      const settle: Settle = (outcome) => {
        queue.delete(settle);
        if (queue.size === 0) this.#forget(key);
        clearTimeout(timer);
        listening?.[Symbol.dispose]();
        if (typeof outcome === 'number') resolve(outcome);
        else reject(outcome);
      };
      const giveUp = (): void => {
        const wasFirst = firstOf(queue) === settle;
        settle(0);
        if (wasFirst) this.#advance(key, queue);
      };
      const timer = wait <= MAX_TIMER_MS ? setTimeout(giveUp, wait) : undefined;
      const listening = signal && onAbort(signal, giveUp);
      queue.add(settle);
      this.#advance(key, queue); // it may have been freed before anybody was told that we wait
    });
  }

  /** A lock was freed somewhere, or its holder may have died. */
  wake(): void {
    for (const [key, queue] of this.#queues) this.#advance(key, queue);
  }

  /** Locks of the old segment are gone, and nobody waits in the new one. */
  reattached(): void {
    if (this.#queues.size > 0) this.#segment.native.watchLocks(true);
    this.wake();
  }

  /** Whether it was still ours. If that part of the segment is busy it is freed later, and the caller is told so. */
  unlock(key: string, fence: number): boolean {
    const rc = this.#segment.run((native) => native.unlock(key, fence));
    this.#movedAt = performance.now();
    if (rc === Rc.ok) return true;
    if (rc === Rc.notHeld || rc === Rc.miss) return false;
    if (rc === Rc.busy) this.#unlockLater(key, fence);
    throw this.#segment.error(rc, key);
  }

  /** Nobody gets anything any more. */
  close(): void {
    for (const queue of this.#queues.values()) for (const settle of [...queue]) settle(0);
  }

  /** Hands the lock to the first of the queue if it is free. */
  #advance(key: string, queue: Set<Settle>): void {
    for (let first = firstOf(queue); first !== undefined; first = firstOf(queue)) {
      const outcome = this.#tryFor(key);
      if (outcome === 0) return; // to be tried again at the next wake, within 20 ms
      first(outcome);
    }
  }

  /** A fence, 0: not yet, or the error for whoever waits: nobody else would hear of it. */
  #tryFor(key: string): number | Error {
    try {
      const fence = this.#segment.run((native) => native.lock(key, 0, true)); // also tells the holder that we wait
      if (fence > 0) this.#movedAt = performance.now();
      if (fence > 0 || fence === Rc.held || fence === Rc.busy) return Math.max(0, fence);
      if (fence === Rc.tableFull && performance.now() - this.#movedAt < MOST_STILL_MS) return 0;
      return this.#segment.error(fence, key);
    } catch (error) {
      return error as Error;
    }
  }

  #queueOf(key: string): Set<Settle> {
    let queue = this.#queues.get(key);
    if (queue !== undefined) return queue;
    queue = new Set();
    if (this.#queues.size === 0) {
      this.#segment.native.watchLocks(true);
      this.#movedAt = performance.now();
    }
    this.#queues.set(key, queue);
    return queue;
  }

  #forget(key: string): void {
    this.#queues.delete(key);
    if (this.#queues.size === 0) this.#segment.native.watchLocks(false);
  }

  #unlockLater(key: string, fence: number): void {
    setTimeout(() => {
      const rc = this.#segment.native.unlock(key, fence);
      if (rc === Rc.busy) this.#unlockLater(key, fence);
    }, UNLOCK_RETRY_MS).unref();
  }
}

function firstOf(queue: Set<Settle>): Settle | undefined {
  for (const settle of queue) return settle;
  return undefined;
}
