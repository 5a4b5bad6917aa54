/** What the processes of the experiment `hosts` are told, and what they answer. */

import type { MemcachedArguments } from '@stockpile/backend-memcached';
import type { RedisArguments } from '@stockpile/backend-redis';
import type { Duration } from '@stockpile/core';

export interface HostsTask {
  readonly backend: 'redis' | 'memcached';
  readonly args: RedisArguments | MemcachedArguments;
  /** Of a creator's lock. */
  readonly lease: Duration;
  /** ms that a creator takes: the shortest and the longest. */
  readonly creation: readonly [number, number];
  /** A file to which each creator appends a line when it begins and one when it ends. */
  readonly notes: string;
}

/** Which creation a value comes from: the process, and the how-maniest of it. */
export type CreationId = number;

export const ABSENT = 0;
/** It is no value of this key at all. */
export const DAMAGED = -1;

/** Of one creation, from the notes. */
export interface NotedCreation {
  readonly key: string;
  readonly id: CreationId;
  readonly pid: number;
  /** Of the monotonic clock of the machine, ms. */
  readonly began: number;
  ended: number | undefined;
}

const IDS_OF_A_PROCESS = 1_000_000;

export function creationId(pid: number, count: number): CreationId {
  return pid * IDS_OF_A_PROCESS + count;
}

export function noteOf(what: 'began' | 'ended', key: string, id: CreationId): string {
  return `${what} ${key} ${id} ${monotonic()}\n`;
}

export function readNotes(text: string): NotedCreation[] {
  const creations = new Map<CreationId, NotedCreation>();
  for (const line of text.split('\n').slice(0, -1)) {
    const [what, key = '', idText, at] = line.split(' ');
    const id = Number(idText);
    if (what === 'began') {
      const pid = Math.floor(id / IDS_OF_A_PROCESS);
      creations.set(id, { key, id, pid, began: Number(at), ended: undefined });
    } else {
      const creation = creations.get(id);
      if (creation !== undefined) creation.ended = Number(at);
    }
  }
  return [...creations.values()];
}

/** ms of a clock that all processes of the machine share. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
