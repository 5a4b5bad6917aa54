/** What a region tells of its keys: enumeration and events. */

import { isDeepStrictEqual } from 'node:util';
import { NO_VALUE } from './cached-value.js';
import { type Duration, parseDuration } from './duration.js';
import type { KeyEvent } from './key-events.js';
import { MAX_TIMER_MS } from './mutex.js';
import { get, getMulti, ownKey } from './operations.js';
import type { RegionCore } from './region-core.js';

/** How many entries are read at once. */
const PAGE = 100;

export interface KeysOptions {
  /** Only keys that begin with this. Default: all. */
  readonly prefix?: string;
}

export async function* keysOf(
  core: RegionCore,
  { prefix = '' }: KeysOptions = {},
): AsyncGenerator<string, void, undefined> {
  for await (const stored of core.require('enumerate').keys(core.keys.prefix + prefix)) {
    const key = ownKey(core, stored, prefix);
    if (key !== undefined) yield key;
  }
}

export function* keysOfSync(core: RegionCore, { prefix = '' }: KeysOptions = {}): Generator<string, void, undefined> {
  for (const stored of core.require('enumerate').keys(core.keys.prefix + prefix) as Iterable<string>) {
    const key = ownKey(core, stored, prefix);
    if (key !== undefined) yield key;
  }
}

/** Keys with their fresh values, read page by page. */
export async function* entriesOf(
  core: RegionCore,
  options?: KeysOptions,
): AsyncGenerator<[string, unknown], void, undefined> {
  let page: string[] = [];
  for await (const key of keysOf(core, options)) {
    if (page.push(key) < PAGE) continue;
    yield* pairs(page, await getMulti(core, page));
    page = [];
  }
  if (page.length > 0) yield* pairs(page, await getMulti(core, page));
}

export function* entriesOfSync(core: RegionCore, options?: KeysOptions): Generator<[string, unknown], void, undefined> {
  for (const key of keysOfSync(core, options)) yield* pairs([key], getMulti(core, [key]) as unknown[]);
}

function* pairs(keys: readonly string[], values: readonly unknown[]): Generator<[string, unknown], void, undefined> {
  for (const [i, key] of keys.entries()) if (values[i] !== NO_VALUE) yield [key, values[i]];
}

/** Events of one key, or of the whole namespace for `null`, with the application's keys. */
export function subscribe(core: RegionCore, key: string | null, listener: (event: KeyEvent) => void): Disposable {
  const stored = key === null ? core.keys.prefix : core.keys.stored(key);
  return core.require('events').subscribe(stored, (event) => {
    if (event.key === undefined) return listener(event);
    if (key !== null && event.key !== stored) return;
    const own = ownKey(core, event.key, '');
    if (own !== undefined) listener({ ...event, key: key ?? own });
  });
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
  const { signal } = options;
  const timeout = parseDuration(options.timeout ?? Infinity, 'timeout');
  signal?.throwIfAborted();
  const holds = async (): Promise<boolean> =>
    !('equals' in options) || isDeepStrictEqual(await get(core, key), options.equals);
  let timer: NodeJS.Timeout | undefined;
  let leave = (): void => {};
  let subscription: Disposable | undefined;
  try {
    return await new Promise<boolean>((resolve, reject) => {
      const look = (): void => void holds().then((yes) => yes && resolve(true), reject);
      subscription = subscribe(core, key, look);
      if ('equals' in options) look(); // after subscribing, so that no change falls in between
      if (timeout <= MAX_TIMER_MS) timer = setTimeout(resolve, timeout, false);
      leave = () => reject(signal?.reason);
      signal?.addEventListener('abort', leave, { once: true });
    });
  } finally {
    subscription?.[Symbol.dispose]();
    clearTimeout(timer);
    signal?.removeEventListener('abort', leave);
  }
}
