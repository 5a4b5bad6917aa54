/** The backends of the demo, by name. None is imported here: `configure` finds the packages that are installed. */

import { createRegion, type Region, StockpileError, UnknownBackendError } from '@stockpile/core';
import { SHARED, UsageError } from './options.js';
import type { Report } from './report.js';
import { TamperingProxy } from './tampering-proxy.js';

/** The backend that stores nothing: with it, every request runs the creator. */
export const UNCACHED = 'null';
/** In the order of the runs. */
const CACHES: readonly string[] = ['memory', 'memory-pickle', 'lru', 'shm', 'memcached', 'redis', 'keyv'];
/** In several processes, the one that they share is shown next to one of which each has its own. */
const SHARED_BESIDE_OWN = [SHARED, 'lru'];

export interface Backend {
  readonly name: string;
  readonly region: Region<Report>;
}

export interface Backends {
  /** The uncached one first. */
  readonly available: readonly Backend[];
  /** No package of that name is installed. */
  readonly further: readonly string[];
  /** Installed, but no server answers, or it needs arguments: in words. */
  readonly unusable: readonly string[];
}

/** The backends of a run in one process: the uncached one, and the one named `only`, else all. */
export function backendsOf(only: string | undefined): string[] {
  return only === undefined ? [UNCACHED, ...CACHES] : [...new Set([UNCACHED, only])];
}

/** Those of a run in several processes. */
export function sharedBackendsOf(only: string | undefined): string[] {
  if (only === undefined) return backendsOf(only);
  return only === SHARED ? SHARED_BESIDE_OWN : [only];
}

/**
 * Those of `names` that are installed. `segment` is for backends in shared memory.
 * @throws UsageError where the one that was asked for, `only`, is not installed.
 */
export function openBackends(names: readonly string[], only: string | undefined, segment: string): Backends {
  const available: Backend[] = [];
  const further: string[] = [];
  const unusable: string[] = [];
  for (const name of names) {
    try {
      available.push({ name, region: openRegion(name, segment) });
    } catch (error) {
      if (!(error instanceof StockpileError)) throw error;
      if (!(error instanceof UnknownBackendError)) unusable.push(`${name} (${error.message})`);
      else if (name === only) throw new UsageError(adviceFor(name));
      else further.push(name);
    }
  }
  return { available, further, unusable };
}

/** Removes what an earlier demo may have left of `keys`. A backend whose server does not answer becomes unusable. */
export async function emptyBackends(backends: Backends, keys: readonly string[]): Promise<Backends> {
  const available: Backend[] = [];
  const unusable = [...backends.unusable];
  for (const backend of backends.available) {
    try {
      await backend.region.deleteMulti(keys);
      available.push(backend);
    } catch (error) {
      if (!(error instanceof StockpileError)) throw error;
      unusable.push(`${backend.name} (${error.message})`);
      await backend.region.close().catch(() => {});
    }
  }
  return { ...backends, available, unusable };
}

export async function closeBackends({ available }: Backends): Promise<void> {
  await Promise.allSettled(available.map(({ region }) => region.close()));
}

/** Also what each worker process opens. */
export function openRegion(name: string, segment: string): Region<Report> {
  return createRegion<Report>({ name: 'packages' }).configure(name, {
    expirationTime: '10m',
    arguments: argumentsOf(name, segment),
    wrap: process.env.STOCKPILE_DEMO_TAMPER === name ? [TamperingProxy] : [],
  });
}

/** Where the defaults are not what the demo wants. */
function argumentsOf(name: string, segment: string): Record<string, unknown> {
  if (name === 'lru') return { maxBytes: '32M' };
  if (name === 'shm') return { segment, size: '32M', lifetime: 'processes' }; // it vanishes with the last process
  return {};
}

function adviceFor(name: string): string {
  const known = [UNCACHED, ...CACHES];
  return known.includes(name)
    ? `--backend: '${name}' is not installed; npm install @stockpile/backend-${name}, or leave it out for all that are`
    : `--backend: '${name}' is none of ${known.join(', ')}; leave it out for all that are installed`;
}
