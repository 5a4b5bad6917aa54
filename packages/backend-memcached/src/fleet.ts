/** The servers, and which of them keeps a key now. */

import type { Generation } from './generations.js';
import { entryName, Namespaces, type PhysicalNamespace } from './physical-key.js';
import { KeyPlace } from './place.js';
import { Ring } from './ring.js';
import { Server } from './server.js';
import type { ServerAddress } from './server-address.js';

/** ms that an entry lives where a server stands in: by the next outage it has gone. */
const STAND_IN_TTL_MS = 60_000;

/** Most keys, and bytes of values, of one call. */
const MOST_KEYS = 1000;
const MOST_BYTES = 8 * 2 ** 20;

/** The keys of a multi operation that go to one server in one call. */
export interface Share {
  readonly server: Server;
  readonly generation: Generation;
  readonly places: readonly KeyPlace[];
}

export class Fleet {
  readonly servers: readonly Server[];
  readonly #ring: Ring;
  readonly #namespaces = new Namespaces();
  readonly #failover: boolean;

  constructor(addresses: readonly ServerAddress[], timeout: number, failover: boolean) {
    this.servers = addresses.map((address) => new Server(address, timeout));
    this.#ring = new Ring(addresses);
    this.#failover = failover && addresses.length > 1;
  }

  /** Where `key` is kept now. `until`: when all that is asked there must be settled. */
  place(key: string, until?: number): KeyPlace {
    const namespace = this.#namespaces.of(key);
    const server = this.#server(key, namespace);
    return new KeyPlace(key, server, server.generation(namespace), entryName(key, namespace), until);
  }

  /**
   * The keys, each once, by the server that keeps them: the shares that one server gets one after the other, so that
   * others have their turn between. `sizeOf`: bytes that go there with a key.
   */
  shares(keys: readonly string[], sizeOf: (key: string) => number = () => 0): readonly (readonly Share[])[] {
    const byGeneration = new Map<Generation, KeyPlace[]>();
    for (const key of new Set(keys)) {
      const place = this.place(key);
      const places = byGeneration.get(place.generation);
      if (places === undefined) byGeneration.set(place.generation, [place]);
      else places.push(place);
    }
    return [...byGeneration].map(([generation, all]) =>
      cut(all, sizeOf).map((places) => ({ server: (places[0] as KeyPlace).server, generation, places })),
    );
  }

  /** Of one namespace, on every server. */
  generations(prefix: string): readonly Omit<Share, 'places'>[] {
    const namespace = this.#namespaces.of(prefix);
    return this.servers.map((server) => ({ server, generation: server.generation(namespace) }));
  }

  /** `ttl`, or less where the server only stands in for the one that should keep the key. */
  ttlAt({ key, server }: KeyPlace, ttl: number): number {
    if (!this.#failover || server === this.#owner(key)) return ttl;
    return Math.min(ttl, STAND_IN_TTL_MS);
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.drain()));
  }

  #owner(key: string): Server {
    return this.servers[this.#ring.owner(key)] as Server;
  }

  #server(key: string, namespace: PhysicalNamespace): Server {
    const owner = this.#owner(key);
    if (!this.#failover || owner.state.state === 'up') return owner;
    owner.probeIfDue();
    for (const index of this.#ring.owners(key)) {
      const server = this.servers[index] as Server;
      if (server.state.state !== 'up') continue;
      // when it is back it does not know what happens elsewhere now
      owner.generation(namespace).outdated = true;
      return server;
    }
    return owner;
  }
}

function cut(places: readonly KeyPlace[], sizeOf: (key: string) => number): readonly (readonly KeyPlace[])[] {
  const parts: KeyPlace[][] = [];
  let bytes = Infinity;
  for (const place of places) {
    const size = sizeOf(place.key);
    const last = parts.at(-1);
    if (last !== undefined && last.length < MOST_KEYS && bytes + size <= MOST_BYTES) last.push(place);
    else {
      parts.push([place]);
      bytes = 0;
    }
    bytes += size;
  }
  return parts;
}
