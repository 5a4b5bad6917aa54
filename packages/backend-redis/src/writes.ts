/** Storing and removing entries: what is set in one turn of the event loop goes to a server together. */

import type { Redis } from 'ioredis';
import { another } from './classify.js';
import { type Argument, evaluate } from './evaluate.js';
import { channelOf, namespaceOf } from './key-names.js';
import { type Answers, bySlot, type Call, evaluateEach, perServer, type Work } from './per-server.js';
import { REMOVE, type Script, STORE } from './scripts.js';
import type { Topology } from './topology.js';

/** Most keys of one script: a server does nothing else while it runs one. */
const MOST_KEYS = 200;
/** Of values in one script: a server refuses requests of 1 GB, and keeps others waiting for less. */
const MOST_BYTES = 2 ** 20;

/** What the script answers for a key that was stored: '1'. */
const STORED = 0x31;

/** Of this process: its own events are known by it. */
export const ORIGIN: string = crypto.randomUUID().replaceAll('-', '').slice(0, 16);

/** `guard`: what the lock must begin with, '' for nothing. */
interface Writer {
  readonly key: string;
  readonly value: Uint8Array;
  readonly ttl: number;
  readonly guard: string;
  readonly resolve: (stored: boolean) => void;
  readonly reject: (error: unknown) => void;
}

export class Writes {
  #waiting: Writer[] = [];

  constructor(
    private readonly topology: Topology,
    private readonly events: boolean,
    private readonly gate: () => Promise<unknown> | undefined,
  ) {}

  /** Whether it was stored; `guard` as in `store`. */
  set(key: string, value: Uint8Array, ttl: number, guard: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ key, value, ttl, guard, resolve, reject }) === 1) process.nextTick(() => this.flush());
    });
  }

  /** In their order, and before whatever comes next: those that follow one another with the same ttl together. */
  flush(): void {
    const writers = this.#waiting;
    this.#waiting = [];
    for (let i = 0; i < writers.length; ) {
      const { ttl } = writers[i] as Writer;
      const end = writers.findIndex((writer, n) => n > i && writer.ttl !== ttl);
      const run = writers.slice(i, end < 0 ? undefined : end);
      void this.#storeAll(run, ttl);
      i += run.length;
    }
  }

  async #storeAll(writers: readonly Writer[], ttl: number): Promise<void> {
    const keys = writers.map(({ key }) => key);
    const values = writers.map(({ value }) => value);
    const guards = writers.some(({ guard }) => guard !== '') ? writers.map(({ guard }) => guard) : undefined;
    const answers = await this.#store(keys, values, ttl, guards).catch((error: Error) => keys.map(() => error));
    for (const [i, { resolve, reject }] of writers.entries()) {
      const stored = answers[i] as boolean | Error;
      if (stored instanceof Error) reject(another(stored));
      else resolve(stored);
    }
  }

  /**
   * `guards`: what the lock of each key must begin with, '' for nothing; undefined: none is guarded. True for those
   * that were stored.
   */
  store(
    keys: readonly string[],
    values: readonly Uint8Array[],
    ttl: number,
    guards?: readonly string[],
  ): Promise<Answers<boolean>> {
    this.flush();
    return this.#store(keys, values, ttl, guards);
  }

  async #store(
    keys: readonly string[],
    values: readonly Uint8Array[],
    ttl: number,
    guards?: readonly string[],
  ): Promise<Answers<boolean>> {
    const px = pxOf(ttl);
    return this.#each(
      STORE,
      keys,
      ([events, unlock], places) => [
        px,
        events,
        unlock,
        ORIGIN,
        ...places.map((i) => bufferOf(values[i] as Uint8Array)),
        ...(guards === undefined ? [] : places.map((i) => guards[i] as string)),
      ],
      (stored, places) => places.map((_, n) => (stored as Buffer)[n] === STORED),
      values,
    );
  }

  /** How many were there, for the first key of each group; 0 for the others. */
  async remove(keys: readonly string[]): Promise<Answers<number>> {
    this.flush();
    return this.#each(
      REMOVE,
      keys,
      ([events, unlock]) => [events, unlock, ORIGIN],
      (gone, places) => places.map((_, n) => (n === 0 ? (gone as number) : 0)),
    );
  }

  /** A script of one key and its lock, with the channels of its namespace. */
  async one(script: Script, key: string, args: (channels: Channels) => readonly Argument[]): Promise<unknown> {
    this.flush();
    const since = performance.now();
    await this.gate();
    const { topology } = this;
    const run = async (redis: Redis): Promise<unknown[]> => [
      await evaluate(redis, script, [key, topology.lockKey(key)], args(this.#channels(key))),
    ];
    const [answer] = await perServer(topology, [key], run, since);
    if (answer instanceof Error) throw answer;
    return answer;
  }

  async #each<T>(
    script: Script,
    keys: readonly string[],
    argsOf: (channels: Channels, places: readonly number[]) => readonly Argument[],
    answersOf: (reply: unknown, places: readonly number[]) => T[],
    values?: readonly Uint8Array[],
  ): Promise<Answers<T>> {
    const since = performance.now();
    await this.gate();
    const { topology } = this;
    const work: Work<T> = async (redis, own, places) => {
      const groups = this.#groups(own).flatMap((group) => bySize(group, (n) => values?.[places[n] as number]?.length));
      const calls = groups.map((group): Call => {
        const names = group.map((n) => own[n] as string);
        return {
          keys: [...names, ...names.map((key) => topology.lockKey(key))],
          args: argsOf(
            this.#channels(names[0] as string),
            group.map((n) => places[n] as number),
          ),
        };
      });
      const replies = await evaluateEach(redis, script, calls);
      const answers: Answers<T> = new Array(own.length);
      for (const [g, group] of groups.entries()) {
        const reply = replies[g];
        const ownAnswers = reply instanceof Error ? group.map(() => reply) : answersOf(reply, group);
        for (const [n, place] of group.entries()) answers[place] = ownAnswers[n] as T | Error;
      }
      return answers;
    };
    return perServer(topology, keys, work, since);
  }

  /** By slot, and by namespace: each has a channel of its own. */
  #groups(keys: readonly string[]): readonly (readonly number[])[] {
    return bySlot(this.topology, keys, MOST_KEYS).flatMap((group) => {
      const first = namespaceOf(keys[group[0] as number] as string);
      if (group.every((i) => (keys[i] as string).startsWith(first) && namespaceOf(keys[i] as string) === first)) {
        return [group];
      }
      const byNamespace = new Map<string, number[]>();
      for (const i of group) {
        const namespace = namespaceOf(keys[i] as string);
        byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), i]);
      }
      return [...byNamespace.values()];
    });
  }

  #channels(key: string): Channels {
    const { db } = this.topology;
    const namespace = namespaceOf(key);
    return [this.events ? channelOf('events', namespace, db) : '', channelOf('unlock', namespace, db)];
  }
}

/** Parts of `group`, in its order, each with values of `MOST_BYTES` or with one. */
function bySize(
  group: readonly number[],
  sizeOf: (place: number) => number | undefined,
): readonly (readonly number[])[] {
  const parts: number[][] = [];
  let room = 0;
  for (const place of group) {
    const size = sizeOf(place) ?? 0;
    if (parts.length === 0 || size > room) {
      parts.push([]);
      room = MOST_BYTES;
    }
    parts.at(-1)?.push(place);
    room -= size;
  }
  return parts;
}

type Channels = readonly [events: string, unlock: string];

/** Longest ttl in ms that is sent; beyond it an entry does not end. */
const LONGEST_TTL_MS = 1e15;

/** As the scripts take it. */
export function pxOf(ttl: number): string {
  return ttl > LONGEST_TTL_MS ? '' : String(Math.max(1, Math.ceil(ttl)));
}

/** The bytes themselves, as ioredis knows them. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
