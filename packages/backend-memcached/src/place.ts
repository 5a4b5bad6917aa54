/** One key on the server that keeps it now. */

import { NO_VALUE, type NoValue } from '@stockpile/core';
import {
  DeleteCall,
  type Found,
  type Look,
  LookCall,
  StoreCall,
  type StoreHow,
  type StoreOutcome,
  type StoreWhat,
} from './calls.js';
import { decodeEntry } from './entry.js';
import type { Generation } from './generations.js';
import { isHashedName, lockName } from './physical-key.js';
import type { Server } from './server.js';

export class KeyPlace {
  constructor(
    /** As the driver was given it. */
    readonly key: string,
    readonly server: Server,
    readonly generation: Generation,
    /** What follows the generation. */
    readonly name: string,
    /** `performance.now()` by which all that is asked here must be settled. */
    readonly until: number = Infinity,
  ) {}

  /** What readers compare with what is stored; `undefined` where the key itself is part of memcached's. */
  get hashedKey(): string | undefined {
    return isHashedName(this.name) ? this.key : undefined;
  }

  /** Where the lock of the key is. */
  get lock(): KeyPlace {
    return new KeyPlace(this.key, this.server, this.generation, lockName(this.name), this.until);
  }

  /** The same, with another time by which what is asked must be settled. */
  by(until: number): KeyPlace {
    return new KeyPlace(this.key, this.server, this.generation, this.name, until);
  }

  look(): Promise<Look> {
    return new Promise((resolve, reject) => this.#send(new LookCall(this, resolve, reject)));
  }

  /**
   * The same, decoded. What is there and is no entry may be another program's, or ended, or damaged on its way: it would
   * be written over, so it is believed when it is told twice.
   */
  async read(): Promise<Look & { readonly entry: Buffer | NoValue }> {
    let told: Found | undefined;
    for (;;) {
      const look = await this.look();
      const { found } = look;
      const entry = found === undefined ? NO_VALUE : decodeEntry(found.flags, found.value, this.hashedKey);
      const isTold = found !== undefined && told?.flags === found.flags && told.value.equals(found.value);
      if (entry !== NO_VALUE || found === undefined || isTold) return { ...look, entry };
      told = found;
    }
  }

  store(what: StoreWhat, how: StoreHow = {}): Promise<StoreOutcome> {
    return new Promise((resolve, reject) => this.#send(new StoreCall(this, what, how, resolve, reject)));
  }

  /** Whether it was there. */
  delete(how: Omit<StoreHow, 'absent'> = {}): Promise<boolean> {
    return new Promise((resolve, reject) => this.#send(new DeleteCall(this, how, resolve, reject)));
  }

  #send(call: LookCall | StoreCall | DeleteCall): void {
    call.deadline = this.until;
    this.server.send(call);
  }
}
