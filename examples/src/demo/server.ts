/** The server of the backend that was named: one that runs, else one that is started for the demo and ends with it. */

import { StockpileError, UnknownBackendError, ValidationError } from '@stockpile/core';
import { adviceFor, openRegion, type Place } from './backends.js';
import { plural } from './format.js';
import { UsageError } from './options.js';

/** There is no server to use; the message says what to do. */
export class NoServerError extends Error {
  override readonly name = 'NoServerError';
}

export interface DemoServer {
  /** Where it is: what a region is configured with. May hold a password. */
  readonly url: string;
  /** For people: which one it is, without a password. */
  readonly line: string;
  /**
   * The demo is done with it: one that others use forgets the demo's `keys`, one that was started for it ends. Resolves
   * with a text where keys may have stayed. Once is enough.
   */
  release(keys: readonly string[]): Promise<string | undefined>;
}

interface Kind {
  /** The environment variable that says where a server is. */
  readonly variable: string;
  /** Where one is looked for otherwise. */
  readonly loopback: string;
  /** Also the name of its Debian package. */
  readonly program: string;
  /** It listens only on a socket in a folder of this user: nobody else can reach it. */
  start(): Promise<Started>;
}

interface Started {
  readonly path: string;
  stop(): Promise<void>;
}

/** For the reports of some thousand packages; what is not needed is not taken. */
const MEMCACHED_MB = '256';

const KINDS: Readonly<Record<string, Kind>> = {
  redis: {
    variable: 'REDIS_URL',
    loopback: 'redis://127.0.0.1:6379',
    program: 'redis-server',
    start: async () => (await import('@stockpile/servers')).startRedis({ args: ['--port', '0'] }),
  },
  memcached: {
    variable: 'MEMCACHED_URL',
    loopback: '127.0.0.1:11211',
    program: 'memcached',
    start: async () => (await import('@stockpile/servers')).startMemcached({ unix: true, args: ['-m', MEMCACHED_MB] }),
  },
};

/**
 * Undefined for a backend that needs none. `loopback`: instead of the server's usual address.
 * @throws UsageError where the environment says nonsense, or the backend's package is not installed.
 * @throws NoServerError
 */
export async function openServer(
  backend: string | undefined,
  place: Place,
  env: NodeJS.ProcessEnv,
  loopback?: string,
): Promise<DemoServer | undefined> {
  const kind = backend !== undefined && Object.hasOwn(KINDS, backend) ? KINDS[backend] : undefined;
  if (backend === undefined || kind === undefined) return undefined;
  const { variable } = kind;
  const given = env[variable] || undefined;
  const url = given ?? loopback ?? kind.loopback;
  const { name, failure } = await tryServer(backend, variable, { ...place, url });
  if (failure === undefined) {
    const why = given === undefined ? `${variable} would name another` : `named by ${variable}`;
    return runningServer(backend, { ...place, url }, `${backend}: through the running server at ${name} (${why})`);
  }
  if (given === undefined) return ownServer(backend, kind, name);
  throw new NoServerError(
    `${backend}: the server at ${name}, named by ${variable}, cannot be used: ${failure}; correct ${variable}, or unset it, and the demo starts a server of its own`,
  );
}

/** What people call the server, and why it cannot be used. Asks for what only those may do who may write. */
async function tryServer(backend: string, variable: string, place: Place): Promise<{ name: string; failure?: string }> {
  const region = openNamed(backend, variable, place);
  const name = region
    .stats()
    .servers.map(({ server }) => server)
    .join(', ');
  try {
    await region.delete('probe');
    return { name };
  } catch (error) {
    if (!(error instanceof StockpileError)) throw error;
    return { name, failure: reasonOf(error) };
  } finally {
    await region.close().catch(() => {});
  }
}

function openNamed(backend: string, variable: string, place: Place): ReturnType<typeof openRegion> {
  try {
    return openRegion(backend, place);
  } catch (error) {
    if (error instanceof UnknownBackendError) throw new UsageError(adviceFor(backend));
    if (error instanceof ValidationError) throw new UsageError(`${variable}: ${error.message.replace(/^url: /, '')}`);
    throw error;
  }
}

function runningServer(backend: string, place: Place & { readonly url: string }, line: string): DemoServer {
  const forget = async (keys: readonly string[]): Promise<string | undefined> => {
    const region = openRegion(backend, place);
    try {
      await region.deleteMulti(keys);
      return undefined;
    } catch (error) {
      return `${backend}: ${plural(keys.length, 'key')} of this demo may have stayed there (${reasonOf(error)}); they end by themselves`;
    } finally {
      await region.close().catch(() => {});
    }
  };
  return { url: place.url, line, release: forget };
}

/** `usual`: where there was none. */
async function ownServer(backend: string, { start, program, variable }: Kind, usual: string): Promise<DemoServer> {
  let started: Started;
  try {
    started = await start();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ServerMissingError') throw error;
    throw new NoServerError(
      `${backend}: there is no server to use at ${usual}, and no ${program} on the PATH to start one; install it (Debian: apt-get install ${program}), or name a server in ${variable}`,
    );
  }
  return {
    url: started.path,
    line: `${backend}: through ${program}, started for this demo at ${started.path}, since there is no server to use at ${usual}`,
    release: async () => {
      await started.stop();
      return undefined;
    },
  };
}

/** What the system or the server said; of several at once, what the driver makes of them. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return (cause instanceof Error && cause.message) || message;
}
