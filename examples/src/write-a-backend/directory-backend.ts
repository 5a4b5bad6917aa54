/** A backend that keeps each entry in a file of one directory. */

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BytesBackend, type Capability, type Clock, NO_VALUE, type NoValue, type WriteOptions } from '@stockpile/core';

/** Before the key and the bytes: when the entry ends (float64, epoch ms), and how long the key is (uint32, bytes). */
const HEADER_BYTES = 12;

export class DirectoryBackend extends BytesBackend {
  readonly name = 'directory';
  readonly capabilities: ReadonlySet<Capability> = new Set<Capability>(['sync', 'ttl', 'enumerate', 'clear']);

  constructor(
    private readonly directory: string,
    private readonly clock: Clock,
  ) {
    super();
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }

  override get(key: string, now?: number): Uint8Array | NoValue {
    return this.#read(this.#path(key), now)?.bytes ?? NO_VALUE;
  }

  override set(key: string, bytes: Uint8Array, { ttl }: WriteOptions): boolean {
    const name = Buffer.from(key);
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeDoubleLE(this.clock.now() + ttl, 0);
    header.writeUInt32LE(name.length, 8);
    const path = this.#path(key);
    const unfinished = `${path}.${process.pid}`;
    writeFileSync(unfinished, Buffer.concat([header, name, bytes]), { mode: 0o600 });
    renameSync(unfinished, path); // readers see the old entry or the new one, never half of it
    return true;
  }

  override delete(key: string): boolean {
    const path = this.#path(key);
    const there = this.#read(path) !== undefined;
    rmSync(path, { force: true });
    return there;
  }

  override *keys(prefix: string): Generator<string> {
    for (const file of readdirSync(this.directory)) {
      const entry = file.includes('.') ? undefined : this.#read(join(this.directory, file));
      if (entry?.key.startsWith(prefix)) yield entry.key;
    }
  }

  override clear(prefix: string): void {
    for (const key of this.keys(prefix)) this.delete(key);
  }

  /** Keys come from users: a hash of the key can name a file, the key itself never. */
  #path(key: string): string {
    return join(this.directory, createHash('sha256').update(key).digest('hex'));
  }

  #read(path: string, now = this.clock.now()): { key: string; bytes: Buffer } | undefined {
    let file: Buffer;
    try {
      file = readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error; // an outage is never a miss
    }
    if (file.readDoubleLE(0) <= now) {
      rmSync(path, { force: true });
      return undefined;
    }
    const keyEnd = HEADER_BYTES + file.readUInt32LE(8);
    return { key: file.toString('utf8', HEADER_BYTES, keyEnd), bytes: file.subarray(keyEnd) };
  }
}
