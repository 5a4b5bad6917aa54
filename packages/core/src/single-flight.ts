/** One creation at a time for each key of this process: who runs, who joins, and who was overtaken. */

import { untilAborted } from './abort.js';
import { type Awaitable, isPromise } from './awaitable.js';
import { LocalLocks } from './mutex.js';

/** What a flight ends with that was not to wait for the mutex while another process creates: its callers look again. */
export const BUSY: unique symbol = Symbol('somebody else creates');

/** What a flight ends with that could not have the mutex in its starter's time: who joined it looks again. */
export const GAVE_UP: unique symbol = Symbol('the mutex could not be had');

/** A creation under way, or about to be. */
export class Claim {
  /** A write of the key, or an invalidation, came between: what is created is returned, not stored. */
  superseded = false;
  /** Whether the creator is running, as opposed to waiting for the mutex. */
  creating = false;
  /** Gives the mutex back early, for those who come after the write. */
  onSuperseded: () => void = () => {};
  /** The write of its result, while it is under way: who overtakes it now writes after it. */
  storing: Awaitable<unknown>;

  /** `region`: whose creation it is; compared only. */
  constructor(readonly region: object) {}

  supersede(): void {
    this.superseded = true;
    this.onSuperseded();
  }
}

/** A creation that several callers wait for. */
export class Flight<T> extends Claim {
  /** Whether who comes now may share the result. */
  joinable = true;
  /** Once no caller is left that waits. */
  onAbandoned: (reason: unknown) => void = () => {};
  #abandoned: AbortController | undefined;
  promise: Promise<T> = new Promise(() => {});
  /** Callers that wait now. */
  callers = 0;

  constructor(
    region: object,
    /** Regenerates whatever is stored. */
    readonly forced: boolean,
  ) {
    super(region);
  }

  /** Aborted when no caller is left that waits. Made when asked for: few creators look at their signal. */
  get abandoned(): AbortController {
    this.#abandoned ??= new AbortController();
    return this.#abandoned;
  }

  /** Throws the reason for which the last caller left. */
  throwIfAbandoned(): void {
    this.#abandoned?.signal.throwIfAborted();
  }

  /** Waits with the others; `signal` ends only this wait. */
  join(signal: AbortSignal | undefined): Promise<T> {
    this.callers++;
    if (signal === undefined) return this.promise; // such a caller never leaves
    return untilAborted(
      () => this.promise,
      signal,
      () => this.leave(signal.reason),
    );
  }

  /** A caller waits no longer. */
  leave(reason: unknown): void {
    if (--this.callers > 0) return;
    this.joinable = false;
    this.abandoned.abort(reason);
    this.onAbandoned(reason);
  }

  override supersede(): void {
    this.joinable = false;
    super.supersede();
  }
}

/** The flights of one region that can be joined, by stored key. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Flight<T>>();
  /** Those that run, also where they cannot be joined any more. */
  readonly #running = new Set<Flight<T>>();

  constructor(private readonly coordination: Coordination) {}

  get(key: string): Flight<T> | undefined {
    const flight = this.#flights.get(key);
    return flight?.joinable ? flight : undefined;
  }

  /** Takes the place of an earlier flight of the key, which goes on with those who wait for it. */
  start(key: string, work: (flight: Flight<T>) => Promise<T>, forced = false): Flight<T> {
    const flight = new Flight<T>(this, forced);
    this.#flights.set(key, flight);
    this.#running.add(flight);
    this.coordination.begin(key, flight);
    flight.promise = work(flight).finally(() => {
      this.coordination.end(key, flight);
      this.#running.delete(flight);
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    flight.promise.catch(() => {}); // each caller has a rejection of its own; a flight that all have left has none
    return flight;
  }

  /** Who comes from now on does not join; what is being created may still be stored. */
  detachAll(): void {
    for (const flight of this.#flights.values()) flight.joinable = false;
  }

  /** Settles when all flights of this moment have. */
  async settled(): Promise<void> {
    await Promise.allSettled(Array.from(this.#running, (flight) => flight.promise));
  }
}

/** What the regions of this process that share a backend object have in common. */
export class Coordination {
  /** For backends without locks of their own. */
  readonly locks: LocalLocks = new LocalLocks();
  /** Grows with every write: tells whether what was read before may have changed in this process. */
  writes = 0;
  readonly #claims = new Map<string, Set<Claim>>();

  begin(key: string, claim: Claim): void {
    const claims = this.#claims.get(key);
    if (claims === undefined) this.#claims.set(key, new Set([claim]));
    else claims.add(claim);
  }

  end(key: string, claim: Claim): void {
    const claims = this.#claims.get(key);
    claims?.delete(claim);
    if (claims?.size === 0) this.#claims.delete(key);
  }

  /** `key` is written or deleted by its user: what is being created for it is outdated. */
  overtake(key: string): Awaitable<unknown> {
    this.writes++;
    if (this.#claims.size === 0) return undefined;
    return supersede(this.#claims.get(key) ?? []);
  }

  /** All keys that begin with `prefix` are cleared, or invalidated for `region` alone. */
  overtakeAll(prefix: string, region?: object): Awaitable<unknown> {
    this.writes++;
    const claims = [...this.#claims].flatMap(([key, claims]) => (key.startsWith(prefix) ? [...claims] : []));
    return supersede(claims.filter((claim) => region === undefined || claim.region === region));
  }
}

/** Settles when what these claims are storing has landed. */
function supersede(claims: Iterable<Claim>): Awaitable<unknown> {
  const landing: PromiseLike<unknown>[] = [];
  for (const claim of claims) {
    claim.supersede();
    if (isPromise(claim.storing)) landing.push(claim.storing);
  }
  return landing.length === 0 ? undefined : Promise.allSettled(landing);
}

const coordinations = new WeakMap<object, Coordination>();

export function coordinationOf(backend: object): Coordination {
  const known = coordinations.get(backend) ?? new Coordination();
  coordinations.set(backend, known);
  return known;
}
