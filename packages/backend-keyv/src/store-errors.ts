/** Errors that a store emits instead of rejecting with them, brought to the call that they belong to. */

import { AsyncLocalStorage } from 'node:async_hooks';

/** What can be listened to: Keyv, and most storage adapters. */
export interface ErrorSource {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  off?(event: 'error', listener: (error: unknown) => void): unknown;
  removeListener?(event: 'error', listener: (error: unknown) => void): unknown;
}

/** A call that is running, or, in the context of a socket that was opened within it, one that has ended. */
interface Call {
  running: boolean;
  failed: boolean;
  error: unknown;
}

type Report = (error: unknown) => void;

/** Follows a call through everything that the store does for it. */
const calls = new AsyncLocalStorage<Call>();
/** One listener for all backends on a store: Keyv warns on the console of more than 100. */
const shared = new WeakMap<ErrorSource, { readonly reports: Set<Report>; readonly listener: Report }>();
/** Backends that listen. With the last of them the promises of the process are followed no more. */
let listening = 0;

export class StoreErrors {
  constructor(
    private readonly source: ErrorSource,
    /** Hears of what belongs to no call, like a connection that was lost while nothing was asked. */
    private readonly report: Report,
  ) {
    let entry = shared.get(source);
    if (entry === undefined) {
      const reports = new Set<Report>();
      const listener = (error: unknown): void => {
        const call = calls.getStore();
        if (call?.running) Object.assign(call, call.failed ? {} : { failed: true, error });
        else for (const tell of reports) tell(error);
      };
      source.on('error', listener);
      entry = { reports, listener };
      shared.set(source, entry);
    }
    entry.reports.add(report);
    listening++;
  }

  /** `work()`, rejecting also with what the store emitted meanwhile on its behalf: for the store that was its answer. */
  async during<T>(work: () => T): Promise<Awaited<T>> {
    const call: Call = { running: true, failed: false, error: undefined };
    try {
      const answer = await calls.run(call, work);
      if (call.failed) throw call.error;
      return answer;
    } catch (error) {
      throw call.failed ? call.error : error; // what was emitted says why
    } finally {
      call.running = false;
    }
  }

  /** Leaves the store as it was found. */
  close(): void {
    const entry = shared.get(this.source);
    if (!entry?.reports.delete(this.report)) return;
    if (--listening === 0) calls.disable();
    if (entry.reports.size > 0) return;
    shared.delete(this.source);
    const leave = this.source.off ?? this.source.removeListener;
    leave?.call(this.source, 'error', entry.listener);
  }
}
