/** Processes that want the same keys at the same time, and something that comes between. */

import { readFileSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import type { Child } from '../processes/children.js';
import type { Scene } from '../processes/scene.js';
import { HerdRound } from './herd-round.js';
import { type CreationId, type HostsTask, monotonic, type NotedCreation, readNotes } from './hosts-task.js';

export type Disturbance = 'none' | 'kill' | 'stop' | 'delete';

export interface HerdResult {
  readonly round: HerdRound;
  readonly creations: number;
  /** Those that were cut off by the disturbance. */
  readonly cutOff: number;
  /** What the processes got, but for one that was killed or stopped; aligned with the keys. */
  readonly answers: readonly (readonly CreationId[])[];
  /** When it was disturbed, of the monotonic clock, ms. */
  readonly at: number;
}

const PATIENCE_MS = 30_000;

export class Herd {
  #watcher: Child | undefined;
  #peers: Child[] = [];
  #rounds = 0;

  constructor(
    private readonly scene: Scene,
    private readonly task: HostsTask,
    private readonly processes: number,
    private readonly keys: number,
    /** How long a process is stopped, ms. */
    private readonly stopped: number,
  ) {}

  /** All processes want new keys; one of those that create is killed or stopped, or what they create is deleted. */
  async round(disturbance: Disturbance): Promise<HerdResult> {
    const [watcher] = await this.#complete();
    const keys = Array.from({ length: this.keys }, (_, i) => `r${this.#rounds}-${i}`);
    this.#rounds++;
    await watcher.call('watch', keys);
    const calls = this.#peers.map((peer) => peer.callFor<CreationId[]>(PATIENCE_MS, 'herd', keys));
    for (const call of calls) call.catch(() => {}); // of one that is killed
    const victim = await this.#holder(keys);
    const at = monotonic();
    const cutOff = await this.#disturb(disturbance, victim, watcher, keys);
    const spared = calls.filter(
      (_, i) => this.#peers[i] !== victim || disturbance === 'none' || disturbance === 'delete',
    );
    const answers = await Promise.all(spared);
    if (disturbance === 'stop') await calls[this.#peers.indexOf(victim)];
    const stored = await watcher.call<CreationId[][]>('watched');
    const creations = this.#creations(keys);
    const disturbed = disturbance === 'kill' || disturbance === 'stop' ? victim.pid : undefined;
    await victim.kill(); // and a new one next time
    const round = new HerdRound({ keys, creations, stored, disturbed, cutOff });
    return { round, creations: creations.length, cutOff: cutOff.length, answers, at };
  }

  /** Those that take part; the first of them only looks on. */
  async #complete(): Promise<[watcher: Child]> {
    const alive = [...(this.#watcher === undefined ? [] : [this.#watcher]), ...this.#peers].filter(
      (one) => one.isAlive,
    );
    const missing = this.processes + 1 - alive.length;
    const added = await this.scene.startMany(missing, 'host-peer', { args: [JSON.stringify(this.task)] });
    await Promise.all(added.map((peer) => peer.call('ready')));
    const [watcher, ...peers] = [...alive, ...added] as [Child, ...Child[]];
    this.#watcher = watcher;
    this.#peers = peers;
    return [watcher];
  }

  /** One that creates now. */
  async #holder(keys: readonly string[]): Promise<Child> {
    for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await after(2)) {
      const creating = this.#creations(keys).filter(({ ended }) => ended === undefined);
      const chosen = creating[Math.floor(Math.random() * creating.length)];
      const holder = this.#peers.find(({ pid }) => pid === chosen?.pid);
      if (holder !== undefined) return holder;
    }
    throw new Error('nobody creates');
  }

  /** The creations that were cut off. */
  async #disturb(
    disturbance: Disturbance,
    victim: Child,
    watcher: Child,
    keys: readonly string[],
  ): Promise<NotedCreation[]> {
    const open = (): NotedCreation[] => this.#creations(keys).filter(({ ended }) => ended === undefined);
    const ofVictim = (): NotedCreation[] => open().filter(({ pid }) => pid === victim.pid);
    if (disturbance === 'kill') {
      await victim.kill();
      return ofVictim();
    }
    if (disturbance === 'stop') {
      victim.signal('SIGSTOP');
      await after(10);
      const cut = ofVictim();
      await after(this.stopped);
      victim.signal('SIGCONT');
      return cut;
    }
    if (disturbance === 'none') return [];
    // what had ended while the delete was on its way may have been stored, and been deleted
    const before = new Set(open().map(({ id }) => id));
    await watcher.call('delete', keys);
    return open().filter(({ id }) => before.has(id));
  }

  #creations(keys: readonly string[]): NotedCreation[] {
    try {
      return readNotes(readFileSync(this.task.notes, 'latin1')).filter(({ key }) => keys.includes(key));
    } catch {
      return []; // nobody has begun
    }
  }
}
