/** What must not outlive this process: servers, temporary folders. */

const steps = new Set<() => void>();

/**
 * `step` runs when this process exits, unless the returned function was called before. It must not throw.
 * A process that is killed runs nothing: see `server-process.ts` for what happens to its servers then.
 */
export function atExit(step: () => void): () => void {
  if (steps.size === 0) process.on('exit', runAll);
  steps.add(step);
  return () => {
    steps.delete(step);
    if (steps.size === 0) process.removeListener('exit', runAll);
  };
}

function runAll(): void {
  for (const step of steps) step();
}
