/** Every error that Stockpile throws, each with a stable code. Messages name the value, the limit and the remedy. */

export interface ErrorDetails {
  /** The key as the application wrote it. */
  readonly key?: string;
  /** The keys of a multi operation that are concerned; the others were served. */
  readonly keys?: readonly string[];
  /** From a driver's `getMulti`: the answers for the other keys, aligned with those that it was asked for. */
  readonly found?: readonly unknown[];
  /** The name of the region. */
  readonly region?: string;
  readonly cause?: unknown;
}

/** The base of all of them: `error instanceof StockpileError`, or look at `error.code`. */
export class StockpileError extends Error {
  readonly code: string = 'ERR_STOCKPILE';
  key: string | undefined;
  keys: readonly string[] | undefined;
  region: string | undefined;
  /** What a driver's `getMulti` could tell all the same; for the region. */
  declare found?: readonly unknown[] | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.key = details.key;
    this.keys = details.keys;
    this.region = details.region;
    Object.defineProperty(this, 'found', { value: details.found, writable: true }); // not to be printed
  }
}

/** An argument or option is not what the method takes. Nothing was sent to the backend. */
export class ValidationError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_VALIDATION';
}

/** The region was used before `configure`. */
export class RegionNotConfiguredError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_REGION_NOT_CONFIGURED';
}

/** `configure` was called twice without `replaceExistingBackend`. The first configuration stays. */
export class RegionAlreadyConfiguredError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_REGION_ALREADY_CONFIGURED';
}

/** The region was used after `close`. */
export class RegionClosedError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_REGION_CLOSED';
}

/** No backend of that name is registered or installed. */
export class UnknownBackendError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_UNKNOWN_BACKEND';
}

/** The backend lacks the capability; `region.supports(capability)` tells beforehand. Nothing was sent. */
export class CapabilityError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_CAPABILITY';
}

/** The value, or the bytes of it, cannot be converted. The old value stays. */
export class SerializationError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_SERIALIZATION';
}

/** The value can never fit into the backend. The old value stays. */
export class ValueTooLargeError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_VALUE_TOO_LARGE';
}

/** The backend refused or lost the connection, or failed in a way of its own (see `cause`). */
export class BackendUnavailableError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_BACKEND_UNAVAILABLE';
}

/** The backend did not answer within `timeout`. A write may or may not have happened. */
export class BackendTimeoutError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_BACKEND_TIMEOUT';
}

/** The mutex could not be had within `lockTimeout`, and `onLockTimeout` is `'throw'`. */
export class LockTimeoutError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_LOCK_TIMEOUT';
}

/** The creator did not settle within `creatorTimeout`; its signal is aborted and its late result is dropped. */
export class CreatorTimeoutError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_CREATOR_TIMEOUT';
}

/** A creator asked for the key that it is creating: it would wait for itself. */
export class RecursiveCreationError extends StockpileError {
  override readonly code = 'ERR_STOCKPILE_RECURSIVE_CREATION';
}

/** What a driver throws from a method that it does not support. */
export function missingCapability(backend: string, capability: string): CapabilityError {
  return new CapabilityError(
    `backend '${backend}' has no '${capability}'; ask region.supports('${capability}') first, or choose another backend`,
  );
}
