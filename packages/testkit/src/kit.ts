/** What the groups of the suite share: the options, and what each test gets to work with. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Awaitable,
  type BackendContext,
  type BytesBackend,
  type CacheBackend,
  type CachedValue,
  type CacheMutex,
  type Capability,
  type Clock,
  type ConfigureOptions,
  createRegion,
  LocalLocks,
  NO_VALUE,
  type Region,
  SerializingBackend,
  structuredSerializer,
  systemClock,
} from '@stockpile/core';
import { ManualClock } from './clock.js';

export type Driver = CacheBackend | BytesBackend;

/** `describe` and `test` of jest, vitest or node:test; for mocha, `{ describe, test: it }`. */
export interface TestRunner {
  readonly describe: (title: string, body: () => void) => unknown;
  readonly test: TestFunction;
}

export interface TestFunction {
  (title: string, body: () => Promise<void>): unknown;
  /** Where the runner has it, what does not apply to the driver is listed as skipped, with the reason. */
  readonly skip?: (title: string, body: () => Promise<void>) => unknown;
}

export interface DescribeBackendOptions {
  /** The driver's name, for the title. */
  readonly name: string;
  /** Give it at least 5 s per test (the default of jest and vitest) where `clock` is `'system'`. */
  readonly runner: TestRunner;
  /**
   * A driver on fresh, empty storage; called once per test. The kit closes what it was given.
   * `context.timeout` is 2000 ms.
   */
  readonly create: (context: BackendContext) => Awaitable<Driver>;
  /**
   * A further driver on the storage of the last `create`. If given, tests with two instances run. Leave it out where
   * instances share nothing.
   */
  readonly connect?: (context: BackendContext) => Awaitable<Driver>;
  /** `'bytes'` for a `BytesBackend`: the kit wraps it in a `SerializingBackend`, as a region does. */
  readonly stores: 'values' | 'bytes';
  /** What `driver.capabilities` must be, exactly. What is declared is tested; the rest must throw `CapabilityError`. */
  readonly capabilities: Iterable<Capability>;
  /** `'injected'`: ttls are judged by `context.clock`, which the kit moves. `'system'`: the kit waits for real. */
  readonly clock: 'injected' | 'system';
  /** ms to which the storage rounds ttls up: 1 (the default) or 1000. */
  readonly ttlGranularity?: 1 | 1000;
  /** Whether the driver's mutexes have a `fence` and guard writes. Default false. */
  readonly fenced?: boolean;
  /** Whether entries may leave for want of space: then no test expects 1000 to stay. Default false. */
  readonly mayEvict?: boolean;
  /**
   * A value of this many bytes must fit, one of twice as many be refused with `ValueTooLargeError`. Default: nothing
   * is too large, and 1 MiB must fit.
   */
  readonly maxValueBytes?: number;
  /** Known deviations: exact test title → reason. A title that no test has fails the suite. */
  readonly skip?: Readonly<Record<string, string>>;
}

/** ttl for entries that are to stay. */
export const FOREVER: { readonly ttl: number } = { ttl: Number.POSITIVE_INFINITY };
/** A ttl in ms that can be waited for. */
export const SHORT_TTL = 400;
/** ms in which every operation of a driver must settle. */
export const TIMEOUT = 2000;

/** One test's driver, and the shorthands that keep tests short. */
export class Subject {
  readonly #opened: Driver[] = [];
  readonly #locks = new LocalLocks();
  readonly #options: DescribeBackendOptions;
  readonly #manual = new ManualClock();
  readonly clock: Clock;
  /** The driver as `create` made it. */
  driver!: Driver;
  /** The driver as a region sees it: values go in, values come out. */
  backend!: CacheBackend;

  constructor(options: DescribeBackendOptions) {
    this.#options = options;
    this.clock = options.clock === 'injected' ? this.#manual : systemClock;
  }

  async open(): Promise<this> {
    this.driver = await this.#options.create(this.#context());
    this.#opened.push(this.driver);
    this.backend = wrapped(this.driver);
    return this;
  }

  /** A second instance on the same storage. */
  async connect(): Promise<CacheBackend> {
    assert.ok(this.#options.connect);
    const driver = await this.#options.connect(this.#context());
    this.#opened.push(driver);
    return wrapped(driver);
  }

  async close(): Promise<void> {
    for (const driver of this.#opened.reverse()) await driver.close();
  }

  item(value: unknown): CachedValue {
    return { value, metadata: { createdAt: this.clock.now() } };
  }

  items(values: Readonly<Record<string, unknown>>): Map<string, CachedValue> {
    return new Map(Object.entries(values).map(([key, value]) => [key, this.item(value)]));
  }

  /** Stores `value`, for ever unless `ttl` says otherwise. */
  async put(key: string, value: unknown, ttl: number = FOREVER.ttl): Promise<void> {
    assert.strictEqual(await this.backend.set(key, this.item(value), { ttl }), true, 'set() must answer with true');
  }

  /** The value of `key`, or `NO_VALUE`. */
  async read(key: string, now?: number): Promise<unknown> {
    return valueIn(await this.backend.get(key, now));
  }

  async readMulti(keys: readonly string[]): Promise<unknown[]> {
    const found: unknown = await this.backend.getMulti(keys);
    assert.ok(Array.isArray(found), 'getMulti() must answer with an array');
    return found.map(valueIn);
  }

  /** The mutex that a region would use: the driver's, or one of this process. */
  mutex(key: string): CacheMutex {
    return this.backend.getMutex(key) ?? this.#locks.mutex(key);
  }

  /** A region of this name on the driver. */
  region(name: string, options: ConfigureOptions = {}): Region {
    return this.regionOn(this.driver, name, options);
  }

  regionOn(driver: object, name: string, options: ConfigureOptions = {}): Region {
    return createRegion({ name, clock: this.clock }).configure(driver, {
      timeout: TIMEOUT,
      lockTimeout: 3000,
      onLockTimeout: 'throw', // a lock that nobody frees is to be seen
      ...options,
    });
  }

  /** Lets `ms` pass: at once on the kit's clock, for real on the system's. */
  async pass(ms: number): Promise<void> {
    if (this.#options.clock === 'injected') this.#manual.advance(ms);
    else await sleep(ms);
  }

  /** Lets pass what an entry of `ttl` ms can live at most, rounding and clock ticks included. */
  outlive(ttl: number): Promise<void> {
    const { clock, ttlGranularity = 1 } = this.#options;
    const rounding = ttlGranularity === 1 ? 1 : (Math.ceil(ttl / ttlGranularity) + 2) * ttlGranularity - ttl;
    return this.pass(ttl + rounding + (clock === 'injected' ? 0 : 100));
  }

  #context(): BackendContext {
    return { clock: this.clock, timeout: TIMEOUT, region: 'testkit' };
  }
}

/** What a group registers its tests with. */
export class Kit {
  readonly #titles = new Set<string>();
  /** What the driver can do as a region sees it: a serialised `compareAndSet` makes counters. */
  readonly #capabilities: ReadonlySet<Capability>;

  constructor(readonly options: DescribeBackendOptions) {
    const declared = new Set(options.capabilities);
    if (options.stores === 'bytes' && declared.has('compareAndSet')) declared.add('counters');
    this.#capabilities = declared;
  }

  readonly has = (capability: Capability): boolean => this.#capabilities.has(capability);

  /** Registers a test that gets a driver of its own. Titles begin with the method and are unique. */
  readonly test = (title: string, body: (subject: Subject) => Promise<void> | void): void => {
    const { runner, skip = {} } = this.options;
    this.#titles.add(title);
    const reason = Object.hasOwn(skip, title) ? skip[title] : undefined;
    if (reason !== undefined) {
      this.skip(title, reason);
      return;
    }
    runner.test(title, async () => {
      const subject = new Subject(this.options);
      try {
        await subject.open();
        await body(subject);
      } catch (error) {
        await subject.close().catch(() => {}); // the first failure is the one to show
        throw error;
      }
      await subject.close();
    });
  };

  skip(title: string, reason: string): void {
    this.options.runner.test.skip?.(`${title} (skipped: ${reason})`, async () => {});
  }

  /** To be called last: a deviation that names no test is a mistake. */
  checkSkips(): void {
    const { runner, skip } = this.options;
    if (skip === undefined) return;
    runner.test('skip: every title is one of a test', async () => {
      const unknown = Object.keys(skip).filter((title) => !this.#titles.has(title));
      assert.strictEqual(unknown.length, 0, `no test has the title ${unknown.map((title) => `'${title}'`).join(', ')}`);
    });
  }
}

/** The driver as a region would see it. */
function wrapped(driver: Driver): CacheBackend {
  return driver.stores === 'bytes' ? new SerializingBackend(driver, structuredSerializer) : driver;
}

/** The value of an item, after checking that it is one. */
export function valueIn(found: unknown): unknown {
  if (found === NO_VALUE) return NO_VALUE;
  const isItem = typeof found === 'object' && found !== null && 'value' in found && 'metadata' in found;
  assert.ok(isItem, `an item or NO_VALUE was expected, not ${String(found)}`);
  return found.value;
}

/** Fails unless `work` ends, in whatever way, with a StockpileError of this code. */
export async function assertFails(
  work: () => unknown,
  code: string,
  what: string,
): Promise<Error & { keys?: unknown }> {
  let outcome: unknown;
  try {
    outcome = await work();
  } catch (error) {
    const found = error instanceof Error && 'code' in error ? error.code : error;
    assert.strictEqual(found, code, `${what} must fail with ${code}, not with ${String(error)}`);
    return error as Error;
  }
  assert.fail(`${what} must fail with ${code}, not answer with ${String(outcome)}`);
}

/** `promise`, unless it takes longer than `ms`. */
export async function within<T>(promise: Awaitable<T>, ms: number, what: string): Promise<T> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(() =>
    assert.fail(`${what} took more than ${ms} ms`),
  );
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}
