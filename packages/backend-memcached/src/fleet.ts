/** The servers, and which of them keeps a key now. */

import type { Generation } from './generations.js';
import { MOST_KEYS } from './multi-calls.js';
import { entryName, Namespaces, type PhysicalNamespace } from './physical-key.js';
import { KeyPlace } from './place.js';
import { Ring } from './ring.js';
import { Server } from './server.js';
import type { ServerAddress } from './server-address.js';

/** ms that an entry lives where a server stands in: by the next outage it has gone. */
const STAND_IN_TTL_MS = 60_000;

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

  /** The keys, each once, by the server that keeps them. */
  shares(keys: readonly string[]): readonly Share[] {
    const byGeneration = new Map<Generation, KeyPlace[]>();
    for (const key of new Set(keys)) {
      const place = this.place(key);
      const places = byGeneration.get(place.generation);
      if (places === undefined) byGeneration.set(place.generation, [place]);
      else places.push(place);
    }
    return [...byGeneration].flatMap(([generation, all]) =>
      cut(all).map((places) => ({ server: (places[0] as KeyPlace).server, generation, places })),
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

function cut(places: readonly KeyPlace[]): readonly (readonly KeyPlace[])[] {
  const parts = Math.ceil(places.length / MOST_KEYS);
  return Array.from({ length: parts }, (_, i) => places.slice(i * MOST_KEYS, (i + 1) * MOST_KEYS));
}
