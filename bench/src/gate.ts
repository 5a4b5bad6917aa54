/**
 * The correctness gate: before anything is timed, each candidate proves in a fresh instance that it returns what was
 * put, with the same types where it claims so, that it calls one creator for 50 callers, and that it honours the ttl.
 * One that fails gets no number.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { NO_VALUE, type Region } from '@stockpile/core';
import { bento, cacheable, cacheManager, dedupe, keyv, lruCache } from './peers.js';
import { region } from './regions.js';
import { shmRegion } from './shm/regions.js';

/** A candidate behind the two calls that the gate knows. */
export interface Instance {
  /** Undefined on a miss. Absent where it only has getOrCreate. */
  readonly get?: (key: string) => Promise<unknown>;
  readonly set?: (key: string, value: object) => Promise<unknown>;
  /** Absent where it only has get and set. */
  readonly getOrCreate?: (key: string) => Promise<unknown>;
  readonly close?: () => unknown;
}

export interface Subject {
  readonly name: string;
  /** Whether a Date, a Map and bytes are to come back as such. */
  readonly claimsTypes: boolean;
  readonly open: (ttlMs: number, load: (key: string) => Promise<object>) => Instance;
}

/** `ok`, `not claimed`, `no such call`, or what went wrong. */
export type Verdict = string;
export type GateResult = Record<'returns what was put' | 'same types' | 'one creator' | 'ttl', Verdict>;

/** The shortest that all can do: one counts in whole seconds. */
const GATE_TTL_MS = 1000;
const CALLERS = 50;

export const SUBJECTS: readonly Subject[] = [
  ...(['memory', 'memory-pickle', 'lru'] as const).map((name) => ours(name, (ttlMs) => region(name, { ttlMs }))),
  ours('shm', (ttlMs) => shmRegion({ ttlMs })),
  ours('shm, near cache', (ttlMs) => shmRegion({ ttlMs, near: true })),
  {
    name: 'lru-cache',
    claimsTypes: true,
    open: (ttlMs, load) => {
      const cache = lruCache(ttlMs, load);
      return {
        get: async (key) => cache.get(key),
        set: async (key, value) => cache.set(key, value),
        getOrCreate: (key) => cache.fetch(key),
      };
    },
  },
  {
    name: 'keyv',
    claimsTypes: false,
    open: (ttlMs) => {
      const cache = keyv(ttlMs);
      return {
        get: (key) => cache.get(key),
        set: (key, value) => cache.set(key, value),
        close: () => cache.disconnect(),
      };
    },
  },
  {
    name: 'cache-manager',
    claimsTypes: true,
    open: (ttlMs, load) => {
      const cache = cacheManager(ttlMs);
      return {
        get: (key) => cache.get(key),
        set: (key, value) => cache.set(key, value),
        getOrCreate: (key) => cache.wrap(key, () => load(key)),
        close: () => cache.disconnect(),
      };
    },
  },
  {
    name: 'cacheable',
    claimsTypes: true,
    open: (ttlMs, load) => {
      const cache = cacheable(ttlMs);
      return {
        get: (key) => cache.get(key),
        set: (key, value) => cache.set(key, value),
        getOrCreate: (key) => cache.getOrSet(key, () => load(key)),
        close: () => cache.disconnect(),
      };
    },
  },
  {
    name: 'bentocache',
    claimsTypes: false,
    open: (ttlMs, load) => {
      const cache = bento(ttlMs);
      return {
        get: (key) => cache.get({ key }),
        set: (key, value) => cache.set({ key, value }),
        getOrCreate: (key) => cache.getOrSet({ key, factory: () => load(key) }),
        close: () => cache.disconnect(),
      };
    },
  },
  {
    name: 'async-cache-dedupe',
    claimsTypes: true,
    open: (ttlMs, load) => {
      const cache = dedupe(ttlMs, load);
      return { getOrCreate: (key) => cache.fetch(key) };
    },
  },
];

/** A region under test, which claims all types. */
export function ours(name: string, open: (ttlMs: number) => Region<object>): Subject {
  return {
    name,
    claimsTypes: true,
    open: (ttlMs, load) => {
      const cache = open(ttlMs);
      return {
        get: async (key) => missAsUndefined(await cache.get(key)),
        set: (key, value) => cache.set(key, value),
        getOrCreate: (key) => cache.getOrCreate(key, () => load(key)),
        close: () => cache.close(),
      };
    },
  };
}

export async function runGate(subjects: readonly Subject[] = SUBJECTS): Promise<Record<string, GateResult>> {
  const results = await Promise.all(subjects.map(async (subject) => [subject.name, await examine(subject)] as const));
  return Object.fromEntries(results);
}

/** What the gate says against a candidate, if anything. */
export function objections(result: GateResult): string | undefined {
  const failed = Object.entries(result).filter(
    ([, verdict]) => !['ok', 'not claimed', 'no such call'].includes(verdict),
  );
  return failed.length === 0 ? undefined : failed.map(([what, verdict]) => `${what}: ${verdict}`).join('; ');
}

async function examine(subject: Subject): Promise<GateResult> {
  const [put, types, creator, ttl] = await Promise.all(
    [returnsWhatWasPut, keepsTypes, callsOneCreator, honoursTtl].map((check) =>
      check(subject).catch((error: unknown) => `threw ${String(error)}`),
    ),
  );
  return { 'returns what was put': put, 'same types': types, 'one creator': creator, ttl } as GateResult;
}

async function returnsWhatWasPut({ open }: Subject): Promise<Verdict> {
  const plain = (key: string): object => ({ key, list: [1, 'two'], nested: { none: null } });
  const cache = open(60_000, async (key) => plain(key));
  try {
    for (const key of ['a', 'a:b', '__proto__', 'ключ', 'a b', '0']) {
      await cache.set?.(key, plain(key));
      const found = await (cache.get ?? cache.getOrCreate)?.(key);
      const again = await (cache.getOrCreate ?? cache.get)?.(key);
      if (!isDeepStrictEqual(found, plain(key)) || !isDeepStrictEqual(again, plain(key))) {
        return `another value for key '${key}'`;
      }
    }
    if (cache.get !== undefined && (await cache.get('absent')) !== undefined) return 'a value for an absent key';
    return 'ok';
  } finally {
    await cache.close?.();
  }
}

async function keepsTypes({ open, claimsTypes }: Subject): Promise<Verdict> {
  if (!claimsTypes) return 'not claimed';
  const typed = { date: new Date(0), map: new Map([[1, new Set([2])]]), bytes: Uint8Array.of(1, 2), none: undefined };
  const cache = open(60_000, async () => typed);
  try {
    await cache.set?.('typed', typed);
    const read = (): Promise<unknown> | undefined => (cache.get ?? cache.getOrCreate)?.('typed');
    await read();
    return isDeepStrictEqual(await read(), typed) ? 'ok' : 'other types on a hit';
  } finally {
    await cache.close?.();
  }
}

async function callsOneCreator({ open }: Subject): Promise<Verdict> {
  let calls = 0;
  const cache = open(60_000, async () => {
    calls++;
    await sleep(20);
    return { calls };
  });
  try {
    const { getOrCreate } = cache;
    if (getOrCreate === undefined) return 'no such call';
    const answers = await Promise.all(Array.from({ length: CALLERS }, () => getOrCreate('hot')));
    if (answers.some((answer) => !isDeepStrictEqual(answer, { calls: 1 }))) return 'callers with another value';
    return calls === 1 ? 'ok' : `${calls} creator calls for ${CALLERS} callers`;
  } finally {
    await cache.close?.();
  }
}

async function honoursTtl({ open }: Subject): Promise<Verdict> {
  let calls = 0;
  const cache = open(GATE_TTL_MS, async () => ({ calls: ++calls }));
  try {
    await cache.set?.('short', { calls: 0 });
    const read = cache.get ?? cache.getOrCreate;
    const before = await read?.('short');
    if (before === undefined || !isDeepStrictEqual(await read?.('short'), before)) return 'gone before its time';
    await sleep(2.2 * GATE_TTL_MS);
    const after = await read?.('short');
    return isDeepStrictEqual(after, before) ? 'served after its time' : 'ok';
  } finally {
    await cache.close?.();
  }
}

function missAsUndefined(found: unknown): unknown {
  return found === NO_VALUE ? undefined : found;
}
