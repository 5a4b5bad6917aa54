/** The backends of the demo, by name. None is imported here: `configure` finds the packages that are installed. */

import { createRegion, type Region, StockpileError, UnknownBackendError } from '@stockpile/core';
import { UsageError } from './options.js';
import type { Report } from './report.js';
import { TamperingProxy } from './tampering-proxy.js';

/** The backend that stores nothing: with it, every request runs the creator. */
export const UNCACHED = 'null';
/** In the order of the runs. */
const CACHES: readonly string[] = ['memory', 'memory-pickle', 'lru', 'shm', 'memcached', 'redis', 'keyv'];
/** Where the defaults are not what the demo wants. */
const ARGUMENTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = { lru: { maxBytes: '64M' } };

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

/**
 * The uncached backend, and the one named `only`, else all that are installed.
 * @throws UsageError where `only` is not installed.
 */
export function openBackends(only: string | undefined): Backends {
  const available: Backend[] = [];
  const further: string[] = [];
  const unusable: string[] = [];
  for (const name of only === undefined ? [UNCACHED, ...CACHES] : new Set([UNCACHED, only])) {
    try {
      available.push({ name, region: openRegion(name) });
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

function openRegion(name: string): Region<Report> {
  return createRegion<Report>({ name: 'packages' }).configure(name, {
    expirationTime: '10m',
    arguments: ARGUMENTS[name] ?? {},
    wrap: process.env.STOCKPILE_DEMO_TAMPER === name ? [TamperingProxy] : [],
  });
}

function adviceFor(name: string): string {
  const known = [UNCACHED, ...CACHES];
  return known.includes(name)
    ? `--backend: '${name}' is not installed; npm install @stockpile/backend-${name}, or leave it out for all that are`
    : `--backend: '${name}' is none of ${known.join(', ')}; leave it out for all that are installed`;
}
