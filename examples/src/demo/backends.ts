/** The backends of a demo. None is imported here: `configure` finds the packages that are installed. */

import { createRegion, type Region, StockpileError, UnknownBackendError } from '@stockpile/core';
import { keyvStore } from './keyv-store.js';
import { EMBEDDED, isShared, NAMED_ONLY, OWN, UNCACHED } from './known.js';
import { UsageError } from './options.js';
import type { Report } from './report.js';
import { TamperingProxy } from './tampering-proxy.js';

export interface Backend {
  readonly name: string;
  readonly region: Region<Report>;
}

export interface Backends {
  /** The uncached one first. */
  readonly available: readonly Backend[];
  /** No package of that name is installed. */
  readonly missing: readonly string[];
  /** Installed, but not for this system, or its server does not answer: in words. */
  readonly unusable: readonly string[];
}

/** Where backends keep what processes share. Plain data: it crosses from process to process. */
export interface Place {
  /** Of this demo alone, so that it begins empty and disturbs nobody: a segment's name, or what keys begin with. */
  readonly name: string;
  /** Of the server of the backend that was named. */
  readonly url?: string | undefined;
}

/** The backends of a run in one process: the uncached one, and the one named `only`, else all that need no server. */
export function backendsOf(only: string | undefined): string[] {
  return only === undefined ? [UNCACHED, ...EMBEDDED] : [...new Set([UNCACHED, only])];
}

/** Those of a run in several processes: the one that they share is shown next to one of which each has its own. */
export function sharedBackendsOf(only: string | undefined): string[] {
  if (only === undefined) return backendsOf(only);
  return isShared(only) ? [only, OWN] : [only];
}

/**
 * Those of `names` that are installed.
 * @throws UsageError where the one that was asked for, `only`, is not installed.
 */
export function openBackends(names: readonly string[], only: string | undefined, place: Place): Backends {
  const available: Backend[] = [];
  const missing: string[] = [];
  const unusable: string[] = [];
  for (const name of names) {
    try {
      available.push({ name, region: openRegion(name, place) });
    } catch (error) {
      if (!(error instanceof StockpileError)) throw error;
      if (!(error instanceof UnknownBackendError)) unusable.push(`${name} (${error.message})`);
      else if (name === only) throw new UsageError(adviceFor(name));
      else missing.push(name);
    }
  }
  return { available, missing, unusable };
}

/** Sees to it that none holds any of `keys`. A backend that cannot be used turns out to be unusable. */
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
export function openRegion(name: string, place: Place): Region<Report> {
  const common = { name: 'packages', namespace: 'stockpile-demo' }; // memcached remembers one item of each namespace
  const own = place.url === undefined ? {} : { keyMangler: (key: string): string => `${place.name}/${key}` };
  return createRegion<Report>({ ...common, ...own }).configure(name, {
    expirationTime: '10m',
    arguments: argumentsOf(name, place),
    wrap: process.env.STOCKPILE_DEMO_TAMPER === name ? [TamperingProxy] : [],
  });
}

/** Where the defaults are not what the demo wants. */
function argumentsOf(name: string, { name: segment, url }: Place): Record<string, unknown> {
  if (name === 'lru') return { maxBytes: '32M' };
  if (name === 'shm') return { segment, size: '32M', lifetime: 'processes' }; // it vanishes with the last process
  if (name === 'keyv') return { store: keyvStore().store };
  return url === undefined ? {} : { url };
}

export function adviceFor(name: string): string {
  const known = [UNCACHED, ...EMBEDDED, ...NAMED_ONLY];
  return known.includes(name)
    ? `--backend: '${name}' is not installed; npm install @stockpile/backend-${name}, or leave it out for all that are`
    : `--backend: '${name}' is none of ${known.join(', ')}; leave it out for all that need no server`;
}
