/** What applications and drivers import. */

export { onAbort } from './abort.js';
export type { Awaitable } from './awaitable.js';
export {
  Backend,
  BytesBackend,
  CacheBackend,
  type Capability,
  type DecodedCache,
  type MultiWriteOptions,
  type WriteOptions,
} from './backend.js';
// `export *`, so that `declare module '@stockpile/core'` reaches BackendArguments
export * from './backend-arguments.js';
export { add, type CachedValue, type Metadata, NO_VALUE, type NoValue } from './cached-value.js';
export { CircuitBreaker, type CircuitBreakerOptions, type ServerMessage, type ServerState } from './circuit-breaker.js';
export { type Clock, systemClock } from './clock.js';
export { cloneValue } from './clone.js';
export type { Creator, CreatorContext } from './creator.js';
export { withDeadline } from './deadline.js';
export { Deadlines } from './deadlines.js';
export { booleanOf, checkObject, refuseMisspelt, refuseUnknown, secretOf, wholeNumberOf } from './driver-arguments.js';
export { type ByteSize, type Duration, parseByteSize, parseDuration, show } from './duration.js';
export { isCounterForm } from './envelope.js';
export * from './errors.js';
export { type Expiring, ExpiringMap, ExpiringValue, SweepTimer } from './expiring-map.js';
export type { EarlyRefresh } from './freshness.js';
export {
  type ArgsOf,
  type CachedFunction,
  type CachedMultiFunction,
  type CacheFunctionOptions,
  cached,
  type FitsRegion,
  type ResultOf,
  type ThisOf,
} from './function-cache.js';
export {
  type AnyFunction,
  type FunctionIdentity,
  type FunctionKeyGenerator,
  structuredFunctionKey,
} from './function-key.js';
export {
  addInvalidation,
  type InvalidateOptions,
  type InvalidationStore,
  type InvalidationSubject,
  type InvalidationTimes,
  latestOf,
  noInvalidations,
  type RegionInvalidator,
  type Verdict,
  verdictOf,
} from './invalidation.js';
export { hashMangler, type KeyMangler, lengthMangler, MAX_KEY_BYTES } from './key.js';
export { type KeyEvent, KeyEvents } from './key-events.js';
export type { KeysOptions, WaitForOptions } from './key-watch.js';
export { Failures } from './multi.js';
export type { MultiAnswer, MultiCreator, MultiCreatorContext } from './multi-creator.js';
export { type AcquireOptions, type CacheMutex, LocalLocks, MAX_TIMER_MS } from './mutex.js';
export { NullBackend } from './null-backend.js';
export type { IncrementOptions, Items } from './operations.js';
export type {
  ConfigureOptions,
  CreateOptions,
  Entry,
  GetOptions,
  GetOrCreateOptions,
  RegionOptions,
  SetOptions,
} from './options.js';
export { ProxyBackend, type ProxyLike } from './proxy.js';
export type { SyncCreator, SyncMultiCreator } from './read-through-sync.js';
export { type Created, createRegion, type Region } from './region.js';
export { registerBackend } from './registry.js';
export { jsonSerializer, type Serializer, structuredSerializer } from './serializer.js';
export { SerializingBackend } from './serializing-backend.js';
export { sharedInvalidator } from './shared-invalidation.js';
export type { ErrorMessage, KeyMessage, MissMessage, MissReason, RegionStats } from './stats.js';
export type { SyncRegion } from './sync-region.js';
