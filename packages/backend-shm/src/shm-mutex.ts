/** The mutex of a key: a lock in the segment that ends with its holder's process, however that ends. */

import type { AcquireOptions, Awaitable, CacheMutex } from '@stockpile/core';
import type { Attachment } from './attachment.js';
import { Rc } from './native.js';

export class ShmMutex implements CacheMutex {
  /** Of the last holding, also after `release`: what is stored with it then is refused. */
  fence: number | undefined;
  #held = false;

  constructor(
    private readonly segment: Attachment,
    private readonly key: string,
  ) {}

  acquire({ wait, signal }: AcquireOptions): Awaitable<boolean> {
    if (signal?.aborted) return false;
    const fence = this.segment.locks.tryLock(this.key, wait > 0);
    if (fence > 0) return this.#take(fence);
    if (wait <= 0) return false;
    return this.segment.locks.wait(this.key, wait, signal).then((granted) => granted > 0 && this.#take(granted));
  }

  release(): boolean {
    if (!this.#held || this.fence === undefined) return false;
    this.#held = false;
    return this.segment.locks.unlock(this.key, this.fence);
  }

  locked(): boolean {
    const fence = this.segment.run((native) => native.holder(this.key));
    if (fence < 0 && fence !== Rc.miss) throw this.segment.error(fence, this.key);
    return fence > 0;
  }

  #take(fence: number): true {
    this.fence = fence;
    this.#held = true;
    return true;
  }
}
