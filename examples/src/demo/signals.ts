/** Ctrl-C and its kin: what backends hold outside the process is let go first. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let interrupted = false;

/** On the first signal runs `letGo`, then ends the process as that signal does; a second one does not wait. */
export function onSignals(letGo: () => Promise<void>): void {
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      interrupted = true;
      setInterval(() => {}, 1000); // the signal is to end the process, not that nothing is left to do
      void letGo().finally(() => process.kill(process.pid, signal));
    });
  }
}

/** What fails from now on fails since we are leaving: nobody need hear of it. */
export function isInterrupted(): boolean {
  return interrupted;
}
