/** Values that may or may not be promised: what lets one implementation serve synchronous and asynchronous backends. */

/** A value, or a promise of it. Synchronous backends answer with the value itself. */
export type Awaitable<T> = T | PromiseLike<T>;

/** True for anything with a `then`, so that promises of other realms and libraries count. */
export function isPromise<T>(value: Awaitable<T>): value is PromiseLike<T> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** What `work()` answers or throws, as a promise: three turns of the microtask queue less than an async function. */
export function promised<T>(work: () => Awaitable<T>): Promise<T> {
  try {
    return Promise.resolve(work());
  } catch (error) {
    return Promise.reject(error);
  }
}

/** `next(value)`, at once where the value is at hand. */
export function chain<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return isPromise(value) ? value.then(next) : next(value);
}

/** `work()`, with `recover` called for what it throws or rejects with. */
export function attempt<T, U>(work: () => Awaitable<T>, recover: (error: unknown) => U): Awaitable<T | U> {
  let outcome: Awaitable<T>;
  try {
    outcome = work();
  } catch (error) {
    return recover(error);
  }
  return isPromise(outcome) ? outcome.then(undefined, recover) : outcome;
}

/** `work()`, then `cleanup()` in every outcome. */
export function lastly<T>(work: () => Awaitable<T>, cleanup: () => Awaitable<unknown>): Awaitable<T> {
  let outcome: Awaitable<T>;
  try {
    outcome = work();
  } catch (error) {
    cleanup();
    throw error;
  }
  return isPromise(outcome) ? Promise.resolve(outcome).finally(cleanup) : chain(cleanup(), () => outcome);
}
