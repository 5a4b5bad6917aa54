/** What a region tells of its keys: enumeration and events. */

import { isDeepStrictEqual } from 'node:util';
import { onAbort } from './abort.js';
import { type Awaitable, chain } from './awaitable.js';
import { NO_VALUE } from './cached-value.js';
import { type Duration, show } from './duration.js';
import { ValidationError } from './errors.js';
import { judge } from './freshness.js';
import { settled } from './guarded-backend.js';
import { checkKey } from './key.js';
import type { KeyEvent } from './key-events.js';
import { MAX_TIMER_MS } from './mutex.js';
import { get, ownKey } from './operations.js';
import { checkSignal, optionalMs } from './options.js';
import type { RegionCore } from './region-core.js';

/** How many entries are read at once. */
const PAGE = 100;

export interface KeysOptions {
  /** Only keys that begin with this. Default: all. */
  readonly prefix?: string;
}

/** A stored key of the namespace and what its user calls it. */
interface Name {
  readonly stored: string;
  readonly key: string;
}

export async function* keysOf(core: RegionCore, options?: KeysOptions): AsyncGenerator<string, void, undefined> {
  for await (const { key } of names(core, options)) yield key;
}

export function* keysOfSync(core: RegionCore, options?: KeysOptions): Generator<string, void, undefined> {
  for (const { key } of namesSync(core, options)) yield key;
}

/** Keys with their fresh values, read page by page. */
export async function* entriesOf(
  core: RegionCore,
  options?: KeysOptions,
): AsyncGenerator<[string, unknown], void, undefined> {
  let page: Name[] = [];
  for await (const name of names(core, options)) {
    if (page.push(name) < PAGE) continue;
    yield* await read(core, page);
    page = [];
  }
  yield* await read(core, page);
}

export function* entriesOfSync(core: RegionCore, options?: KeysOptions): Generator<[string, unknown], void, undefined> {
  for (const name of namesSync(core, options)) yield* settled(read(core, [name]));
}

async function* names(core: RegionCore, options: KeysOptions = {}): AsyncGenerator<Name, void, undefined> {
  const { prefix = '' } = options;
  const driver = core.require('enumerate');
  const found = await core.call('keys', undefined, () => driver.keys(core.keys.prefix + prefix));
  const iterator = Symbol.asyncIterator in found ? found[Symbol.asyncIterator]() : found[Symbol.iterator]();
  let answered = true;
  try {
    for (;;) {
      answered = false;
      const next = await core.call('keys', undefined, () => iterator.next());
      answered = true;
      if (next.done) return;
      const key = ownKey(core, next.value, prefix);
      if (key !== undefined) yield { stored: next.value, key };
    }
  } finally {
    // one that failed or is silent would not end either
    if (answered) await core.call('keys', undefined, () => iterator.return?.());
  }
}

function* namesSync(core: RegionCore, options: KeysOptions = {}): Generator<Name, void, undefined> {
  const { prefix = '' } = options;
  const driver = core.require('enumerate');
  const found = core.call('keys', undefined, () => driver.keys(core.keys.prefix + prefix) as Iterable<string>);
  const iterator = settled(found)[Symbol.iterator]();
  try {
    for (;;) {
      const next = settled(core.call('keys', undefined, () => iterator.next()));
      if (next.done) return;
      const key = ownKey(core, next.value, prefix);
      if (key !== undefined) yield { stored: next.value, key };
    }
  } finally {
    iterator.return?.();
  }
}

/** The fresh ones of `page`. Not counted as hits: nobody asked for these keys. */
function read(core: RegionCore, page: readonly Name[]): Awaitable<[string, unknown][]> {
  if (page.length === 0) return [];
  const now = core.now();
  return chain(
    core.getMulti(
      page.map(({ key }) => key),
      page.map(({ stored }) => stored),
      now,
    ),
    (found) =>
      found.flatMap((entry, i): [string, unknown][] => {
        const { key } = page[i] as Name;
        const isFresh = entry !== NO_VALUE && judge(entry, key, now, core.policy, undefined) === 'fresh';
        return isFresh ? [[key, entry.value]] : [];
      }),
  );
}

/** Events of one key, or of the whole namespace for `null`, with the application's keys. */
export function subscribe(core: RegionCore, key: string | null, listener: (event: KeyEvent) => void): Disposable {
  if (typeof listener !== 'function') throw new ValidationError(`subscribe: needs a listener, not ${show(listener)}`);
  const stored = key === null ? core.keys.prefix : core.keys.stored(key);
  const driver = core.require('events');
  const hear = (event: KeyEvent): void => {
    const isOurs = key === null || event.key === undefined || event.key === stored;
    const own = event.key === undefined ? undefined : ownKey(core, event.key, '');
    if (isOurs && (own !== undefined || event.key === undefined)) listener({ ...event, key: own && (key ?? own) });
  };
  return settled(core.call('subscribe', key ?? undefined, () => driver.subscribe(stored, hear)));
}

export interface WaitForOptions<V> {
  /** Wait until the key has this value (deep equality). Default: until anything happens to the key. */
  readonly equals?: V;
  /** Default Infinity. */
  readonly timeout?: Duration;
  readonly signal?: AbortSignal;
}

/** True at the event that was waited for; false at the timeout. */
export async function waitFor(core: RegionCore, key: string, options: WaitForOptions<unknown> = {}): Promise<boolean> {
  checkKey(key);
  const signal = checkSignal(options.signal);
  const timeout = optionalMs(options.timeout, 'timeout') ?? Infinity;
  signal?.throwIfAborted();
  const holds = async (): Promise<boolean> =>
    !('equals' in options) || isDeepStrictEqual(await get(core, key), options.equals);
  let timer: NodeJS.Timeout | undefined;
  const leaving: Disposable[] = [];
  let subscription: Disposable | undefined;
  try {
    return await new Promise<boolean>((resolve, reject) => {
      const look = (): void => void holds().then((yes) => yes && resolve(true), reject);
      // an overflow says nothing of the key, save that its value is worth a look
      subscription = subscribe(core, key, ({ type }) => void ((type !== 'overflow' || 'equals' in options) && look()));
      if ('equals' in options) look(); // after subscribing, so that no change falls in between
      if (timeout <= MAX_TIMER_MS) timer = setTimeout(resolve, timeout, false);
      for (const end of [core.closing.signal, signal]) {
        if (end !== undefined) leaving.push(onAbort(end, () => reject(end.reason)));
      }
    });
  } finally {
    subscription?.[Symbol.dispose]();
    clearTimeout(timer);
    for (const end of leaving) end[Symbol.dispose]();
  }
}
