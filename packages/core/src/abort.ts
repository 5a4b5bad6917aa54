/** Leaving a wait when a signal says so. */

import { setMaxListeners } from 'node:events';

/** Many may wait by one signal, and all take their listeners away again: no leak for Node to warn of. */
export function onAbort(signal: AbortSignal, listener: () => void): Disposable {
  setMaxListeners(0, signal);
  signal.addEventListener('abort', listener, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', listener) };
}

/** `work`, or a rejection with the signal's reason as soon as it is aborted: then `left` is called. */
export function untilAborted<T>(work: () => Promise<T>, signal: AbortSignal, left: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      reject(signal.reason);
      left();
    };
    if (signal.aborted) return leave();
    const listening = onAbort(signal, leave);
    work()
      .then(resolve, reject)
      .finally(() => listening[Symbol.dispose]());
  });
}
