/** Deadlines of many calls with one timer: one for each would be a tenth of what a call costs. */

interface Call {
  /** Of `performance.now()`. */
  readonly at: number;
  readonly expire: () => void;
}

export class Deadlines {
  readonly #calls = new Set<Call>();
  #timer: NodeJS.Timeout | undefined;
  #firesAt = Infinity;

  /** `work`, or a rejection with `late()` at `at`. A call that waits keeps the process alive. */
  bound<T>(work: Promise<T>, at: number, late: () => Error): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = { at, expire: () => reject(late()) };
      this.#calls.add(call);
      if (at < this.#firesAt) this.#arm(at);
      else if (this.#calls.size === 1) this.#timer?.ref();
      work.then(
        (value) => {
          this.#settled(call);
          resolve(value);
        },
        (error) => {
          this.#settled(call);
          reject(error);
        },
      );
    });
  }

  /** The timer goes on: it is cheaper to find nothing once per timeout. */
  #settled(call: Call): void {
    if (this.#calls.delete(call) && this.#calls.size === 0) this.#timer?.unref();
  }

  #arm(at: number): void {
    clearTimeout(this.#timer);
    this.#firesAt = at;
    this.#timer = setTimeout(() => this.#fire(), Math.max(1, Math.ceil(at - performance.now())));
  }

  #fire(): void {
    const now = performance.now();
    this.#firesAt = Infinity;
    let next = Infinity;
    for (const call of this.#calls) {
      if (call.at > now) next = Math.min(next, call.at);
      else {
        this.#calls.delete(call);
        call.expire();
      }
    }
    if (next < Infinity) this.#arm(next);
  }
}
