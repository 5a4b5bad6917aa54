/** From `configure`'s options to a working core. */

import { chain, lastly } from './awaitable.js';
import type { BytesBackend, CacheBackend } from './backend.js';
import { type CachedValue, NO_VALUE } from './cached-value.js';
import type { Clock } from './clock.js';
import { show } from './duration.js';
import { LockTimeoutError, ValidationError } from './errors.js';
import type { InvalidationStore, RegionInvalidator, Timeline } from './invalidation.js';
import { type KeyMangler, KeySpace } from './key.js';
import { type ConfigureOptions, checkBoolean, optionalMs, planOf } from './options.js';
import { checkProxies, wrapWith } from './proxy.js';
import { RegionCore } from './region-core.js';
import { findBackend } from './registry.js';
import type { Serializer } from './serializer.js';
import { SerializingBackend } from './serializing-backend.js';
import type { Stats } from './stats.js';

/** What a region keeps over `replaceExistingBackend`. */
export interface RegionParts {
  readonly name: string;
  readonly namespace: string;
  readonly keyMangler: KeyMangler | false | undefined;
  readonly serializer: Serializer;
  readonly clock: Clock;
  readonly stats: Stats;
  readonly timeline: Timeline;
  readonly invalidator: RegionInvalidator;
}

const DEFAULT_TIMEOUT_MS = 2000;

/** Checks everything before it makes anything: if it throws, nothing has changed. */
export function setUp(
  parts: RegionParts,
  backend: string | object,
  options: ConfigureOptions,
  replaced: RegionCore | undefined,
): RegionCore {
  const { name, clock, stats, timeline, namespace } = parts;
  const { expirationTime, grace, failOpen = true, timeout, wrap = [], regionInvalidator, ...defaults } = options;
  const policy = {
    expirationTime: optionalMs(expirationTime, 'expirationTime') ?? Infinity,
    grace: optionalMs(grace, 'grace'),
    invalidator: regionInvalidator ?? parts.invalidator,
  };
  const plan = planOf(defaults);
  checkBoolean(failOpen, 'failOpen');
  const timeoutMs = optionalMs(timeout, 'timeout') ?? DEFAULT_TIMEOUT_MS;
  const proxies = checkProxies(wrap);
  if (typeof policy.invalidator?.check !== 'function' || typeof policy.invalidator.invalidate !== 'function') {
    throw new ValidationError(`regionInvalidator: must have check() and invalidate(), not ${show(regionInvalidator)}`);
  }
  const driver =
    typeof backend === 'string'
      ? findBackend(backend)({ ...options.arguments }, { clock, timeout: timeoutMs, region: name })
      : backend;
  const values = asCacheBackend(driver, parts.serializer, (stored, error) =>
    stats.unreadable(keys.original(stored), error),
  );
  const keys = new KeySpace(namespace, parts.keyMangler, values.keyMangler);
  const core = new RegionCore(wrapWith(proxies, values), {
    name,
    clock,
    keys,
    policy,
    timeline,
    stats,
    plan,
    failOpen,
    timeout: timeoutMs,
    sharesClock: typeof backend === 'string',
  });
  const before = replaced?.policy.invalidator;
  if (before === policy.invalidator) before.detach?.();
  policy.invalidator.attach?.(invalidationStore(core)); // may throw: only then is the old one let go
  if (before !== policy.invalidator) before?.detach?.();
  return core;
}

/** Checks the shape of what `configure` got, and puts serialisation over bytes. */
function asCacheBackend(
  driver: object,
  serializer: Serializer,
  onUnreadable: (key: string, error: unknown) => void,
): CacheBackend {
  const shape = driver as Partial<CacheBackend | BytesBackend>;
  for (const method of ['get', 'set', 'delete', 'getMulti', 'setMulti', 'deleteMulti', 'getMutex', 'close'] as const) {
    if (typeof shape?.[method] === 'function') continue;
    throw new ValidationError(
      `configure: ${show(driver)} is no backend: it has no ${method}(); extend CacheBackend or BytesBackend`,
    );
  }
  if (!(shape.capabilities instanceof Set)) {
    throw new ValidationError(`configure: backend ${show(shape.name)} declares no capabilities, a Set of their names`);
  }
  return shape.stores === 'bytes'
    ? new SerializingBackend(driver as BytesBackend, serializer, onUnreadable)
    : (driver as CacheBackend);
}

/** One reserved entry of the namespace, read past the region's own rules and changed under its lock. */
function invalidationStore(core: RegionCore): InvalidationStore {
  const stored = core.keys.invalidations;
  const read = (): ReturnType<InvalidationStore['read']> =>
    chain(
      core.call('invalidations', undefined, () => core.backend.get(stored)),
      (entry) => (entry === NO_VALUE ? undefined : entry.value),
    );
  return {
    now: () => core.now(),
    read,
    update: (change) => {
      const mutex = core.mutex(stored);
      const write = (): ReturnType<InvalidationStore['update']> =>
        chain(read(), (current) => {
          const item: CachedValue = { value: change(current), metadata: { createdAt: core.now() } };
          const written = core.call('invalidations', undefined, () =>
            core.backend.set(stored, item, { ttl: Infinity }),
          );
          return chain(written, () => {});
        });
      const taken = core.call('lock', undefined, () => mutex.acquire({ wait: LOCK_WAIT_MS }));
      return chain(taken, (ours) => {
        if (ours) return lastly(write, () => core.release(mutex, 'invalidations'));
        throw new LockTimeoutError(`invalidate: the lock of the times was not to be had in ${LOCK_WAIT_MS} ms`);
      });
    },
    subscribe: core.backend.capabilities.has('events')
      ? (listener) => core.backend.subscribe(stored, listener)
      : undefined,
  };
}

const LOCK_WAIT_MS = 1000;
