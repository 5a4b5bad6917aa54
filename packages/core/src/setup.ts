/** From `configure`'s options to a working core. */

import { attempt, chain, lastly } from './awaitable.js';
import type { BytesBackend, CacheBackend } from './backend.js';
import { type CachedValue, NO_VALUE } from './cached-value.js';
import type { Clock } from './clock.js';
import { show } from './duration.js';
import { LockTimeoutError, ValidationError } from './errors.js';
import { type InvalidationStore, LocalInvalidator, type RegionInvalidator, type Timeline } from './invalidation.js';
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
  /** What `configure` was given last, else the region's own times. That of a driver stays with its driver. */
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
  const expiration = optionalMs(expirationTime, 'expirationTime') ?? Infinity;
  const graceMs = optionalMs(grace, 'grace');
  const given = checkInvalidator(regionInvalidator ?? parts.invalidator, 'regionInvalidator');
  const plan = planOf(defaults);
  checkBoolean(failOpen, 'failOpen');
  const timeoutMs = optionalMs(timeout, 'timeout') ?? DEFAULT_TIMEOUT_MS;
  const proxies = checkProxies(wrap);
  if (typeof backend !== 'string') return assemble(backend);
  const driver = findBackend(backend)(
    { ...options.arguments },
    {
      clock,
      timeout: timeoutMs,
      region: name,
      report: (operation, error) => stats.error(operation, undefined, error),
    },
  );
  try {
    return assemble(driver);
  } catch (error) {
    // nobody else can close what was made here; that it cannot be closed says nothing new
    Promise.resolve(
      attempt(
        () => driver.close(),
        () => {},
      ),
    ).catch(() => {});
    throw error;
  }

  function assemble(driver: object): RegionCore {
    const values = asCacheBackend(driver, parts.serializer, (stored, error) =>
      stats.unreadable(keys.original(stored), error),
    );
    const keys = new KeySpace(namespace, parts.keyMangler, values.keyMangler);
    // nobody gave a rule: the driver's, if it has one
    const drivers = given instanceof LocalInvalidator ? values.createInvalidator?.(keys.prefix) : undefined;
    const invalidator = drivers ? checkInvalidator(drivers, `createInvalidator of backend '${values.name}'`) : given;
    const core = new RegionCore(wrapWith(proxies, values), {
      name,
      clock,
      keys,
      policy: { expirationTime: expiration, grace: graceMs, invalidator },
      timeline,
      stats,
      plan,
      failOpen,
      timeout: timeoutMs,
      sharesClock: typeof backend === 'string',
    });
    const before = replaced?.policy.invalidator;
    if (before === invalidator) before.detach?.();
    invalidator.attach?.(invalidationStore(core)); // may throw: only then is the old one let go
    if (before !== invalidator) before?.detach?.();
    return core;
  }
}

function checkInvalidator(invalidator: RegionInvalidator, from: string): RegionInvalidator {
  if (typeof invalidator?.check === 'function' && typeof invalidator.invalidate === 'function') return invalidator;
  throw new ValidationError(`${from}: must have check() and invalidate(), not ${show(invalidator)}`);
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
