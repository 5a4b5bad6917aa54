/** The side of the process: functions that the experiment calls by messages. */

type Calls = Readonly<Record<string, (...args: never[]) => unknown>>;

interface Request {
  readonly id: number;
  readonly call: string;
  readonly args: readonly unknown[];
}

/**
 * Answers calls, and says that it is ready. The process ends when the experiment does, or lets it go; if `endsItself`
 * says so then, only once nothing keeps it.
 */
export function serve(calls: Calls, endsItself: () => boolean = () => false): void {
  process.on('message', async ({ id, call, args }: Request) => {
    try {
      const work = calls[call] as ((...args: readonly unknown[]) => unknown) | undefined;
      if (work === undefined) throw new TypeError(`there is no function ${call}`);
      answer({ id, result: await work(...args) });
    } catch (error) {
      const { name, code, message } = error as Error & { code?: string };
      answer({ id, error: { name, code, message } });
    }
  });
  process.on('disconnect', () => {
    if (!endsItself()) process.exit(0);
  });
  tell('ready');
}

/** Tells the experiment what it has not asked for. */
export function tell(event: string, more: object = {}): void {
  answer({ event, ...more });
}

function answer(message: object): void {
  if (process.connected) process.send?.(message, () => {});
}
