/**
 * Which server keeps a key (ketama: consistent hashing with virtual nodes). A further server takes keys from all others,
 * and none moves between these. It depends on the names of the servers, not on their order.
 */

import { createHash } from 'node:crypto';
import { hashOf } from './hash.js';

export interface RingMember {
  readonly label: string;
  readonly weight: number;
}

/** Hashes of a server of weight 1, each of which makes four points: 1000 of them hold shares within 10 %. */
const GROUPS = 250;

export class Ring {
  /** Ascending, and the member of each. */
  readonly #points: Uint32Array;
  readonly #owners: Uint16Array;

  constructor(private readonly members: readonly RingMember[]) {
    const points: { at: number; owner: number }[] = [];
    for (const [owner, { label, weight }] of members.entries()) {
      for (let i = 0; i < GROUPS * weight; i++) {
        const digest = createHash('md5').update(`${label}-${i}`).digest();
        for (let j = 0; j < 16; j += 4) points.push({ at: digest.readUInt32LE(j), owner });
      }
    }
    // two servers at one point: their names decide, not their places in the list
    const name = (owner: number): string => (members[owner] as RingMember).label;
    points.sort((a, b) => a.at - b.at || (name(a.owner) < name(b.owner) ? -1 : 1));
    this.#points = Uint32Array.from(points, ({ at }) => at);
    this.#owners = Uint16Array.from(points, ({ owner }) => owner);
  }

  /** The index of the server of `key`. */
  owner(key: string): number {
    return this.members.length === 1 ? 0 : (this.#owners[this.#find(key)] as number);
  }

  /** All servers, in the order in which they take the key over. */
  *owners(key: string): Generator<number, void, undefined> {
    const seen = new Set<number>();
    const first = this.#find(key);
    for (let i = 0; i < this.#owners.length && seen.size < this.members.length; i++) {
      const owner = this.#owners[(first + i) % this.#owners.length] as number;
      if (seen.has(owner)) continue;
      seen.add(owner);
      yield owner;
    }
  }

  /** The first point at or after the key's; after the last comes the first. */
  #find(key: string): number {
    const points = this.#points;
    const hash = hashOf(key);
    let [low, high] = [0, points.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((points[middle] as number) < hash) low = middle + 1;
      else high = middle;
    }
    return low === points.length ? 0 : low;
  }
}
