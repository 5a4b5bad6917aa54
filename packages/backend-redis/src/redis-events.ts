/** Key events: messages that the scripts send with each write, one channel per namespace. */

import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import type { KeyEvent } from '@stockpile/core';
import { channelOf, escapePattern, namespaceOf } from './key-names.js';
import type { MessageListener, Subscriber } from './subscriber.js';
import { readList } from './text-list.js';
import type { Topology } from './topology.js';
import { ORIGIN } from './writes.js';

const KINDS: Readonly<Record<string, KeyEvent['type']>> = { s: 'set', d: 'delete', c: 'clear' };
const ORIGIN_END = 1 + ORIGIN.length;

/** What a script or `clear` told: kind, origin, and each key after its length in bytes. */
export interface Told {
  readonly kind: string;
  readonly local: boolean;
  readonly keys: readonly string[];
}

export function readMessage(message: Buffer): Told {
  return {
    kind: message.toString('latin1', 0, 1),
    local: message.toString('latin1', 1, ORIGIN_END) === ORIGIN,
    keys: readList(message.subarray(ORIGIN_END)),
  };
}

function messageOf(kind: string, parts: readonly string[]): string {
  return `${kind}${ORIGIN}${parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('')}`;
}

export function subscribe(
  subscriber: Subscriber,
  topology: Topology,
  prefix: string,
  listener: (event: KeyEvent) => void,
): Disposable {
  const { db } = topology;
  const tell = (event: KeyEvent): void => {
    try {
      listener(event);
    } catch (error) {
      process.emitWarning(`a listener of key events threw: ${inspect(error)}`, 'StockpileWarning');
    }
  };
  const namespace = namespaceOf(prefix);
  const wide = channelOf('clears', '', db);
  // keys that begin with a prefix without ':' may be of many namespaces, and of none
  const names =
    namespace === ''
      ? {
          channels: [wide, channelOf('events', '', db)],
          patterns: [`${escapePattern(prefix)}?*${channelOf('events', '', db)}`],
        }
      : { channels: [wide, channelOf('events', namespace, db)] };
  const clears = new Clears();
  const barrier = topology.isCluster ? new Barrier(topology, names.channels[1] as string) : undefined;
  const messages: MessageListener = {
    ...names,
    onMessage: (message) => {
      const { kind, local, keys } = readMessage(message);
      const type = KINDS[kind];
      if (barrier?.holdsBack(kind, keys) || type === undefined) return;
      if (type === 'clear') {
        const [cleared = '', id = '', nodes = '1'] = keys;
        if (!cleared.startsWith(prefix) && !prefix.startsWith(cleared)) return;
        clears.heard(id, Number(nodes), () => tell({ type, key: undefined, local }));
      } else for (const key of keys) if (key.startsWith(prefix)) tell({ type, key, local });
    },
    ...(barrier && { onListening: () => barrier.pass() }),
    onGap: () => tell({ type: 'overflow', key: undefined, local: false }),
  };
  return subscriber.add(messages, true).subscription;
}

/**
 * In a cluster messages of before the subscription may still be on their way from node to node. Each node sends one more
 * after them: what comes before all of these is not told.
 */
class Barrier {
  readonly #id = randomUUID();
  #left = 0;
  #onPassed: (() => void) | undefined;

  constructor(
    private readonly topology: Topology,
    private readonly channel: string,
  ) {}

  async pass(): Promise<void> {
    const masters = this.topology.masters();
    this.#left = masters.length;
    const passed = new Promise<void>((resolve) => {
      this.#onPassed = resolve;
    });
    const timer = setTimeout(() => this.#end(), LAST_NODE_MS).unref();
    const message = messageOf('b', [this.#id]);
    // a node that is down has no messages under way
    const published = masters.map((link) =>
      link.run((redis) => redis.publish(this.channel, message)).catch(() => this.#count()),
    );
    await Promise.all([passed, ...published]);
    clearTimeout(timer);
  }

  holdsBack(kind: string, [id]: readonly string[]): boolean {
    if (kind === 'b' && id === this.#id) this.#count();
    return kind === 'b' || this.#left > 0;
  }

  #count(): void {
    if (this.#left > 0 && --this.#left === 0) this.#end();
  }

  #end(): void {
    this.#left = 0;
    this.#onPassed?.();
  }
}

/** A message that is late is not waited for longer, ms. */
const LAST_NODE_MS = 500;

/**
 * Each node of a cluster tells of a clear, after the writes that it has told of: only the last of them says that all
 * that was before the clear has been heard.
 */
class Clears {
  readonly #missing = new Map<string, { left: number; readonly timer: NodeJS.Timeout }>();

  heard(id: string, nodes: number, tell: () => void): void {
    if (nodes <= 1) {
      tell();
      return;
    }
    const end = (): void => {
      if (this.#missing.delete(id)) tell();
    };
    const entry = this.#missing.get(id) ?? { left: nodes, timer: setTimeout(end, LAST_NODE_MS).unref() };
    this.#missing.set(id, entry);
    if (--entry.left > 0) return;
    clearTimeout(entry.timer);
    end();
  }
}

/** Tells of a clear, on every node. */
export async function publishClear(topology: Topology, prefix: string): Promise<void> {
  const { db } = topology;
  const namespace = namespaceOf(prefix);
  const channel = namespace === '' ? channelOf('clears', '', db) : channelOf('events', namespace, db);
  const masters = topology.masters();
  const message = messageOf('c', [prefix, randomUUID(), String(masters.length)]);
  await Promise.all(masters.map((link) => link.run((redis) => redis.publish(channel, message))));
}
