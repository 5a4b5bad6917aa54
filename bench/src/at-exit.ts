/** What a measuring process must not leave behind, however it ends: files in shared memory, servers, children. */

const steps: (() => void)[] = [];

/** `step` runs when this process ends: by itself, by an error, by a signal or since its parent is gone. Last in, first out. */
export function atExit(step: () => void): void {
  if (steps.length === 0) process.on('exit', runAll);
  exitInTime();
  steps.unshift(step);
}

let exits = false;

/** Makes a signal, or the end of the parent, an ordinary exit, for which others have steps of their own. */
export function exitInTime(): void {
  if (exits) return;
  exits = true;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));
  process.once('disconnect', () => process.exit(1));
}

function runAll(): void {
  for (const step of steps.splice(0)) {
    try {
      step();
    } catch (error) {
      process.stderr.write(`at exit: ${String(error)}\n`); // the others still have their turn
    }
  }
}
