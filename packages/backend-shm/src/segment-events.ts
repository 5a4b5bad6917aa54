/** Who wants to hear of changes in one segment, and the hand-out of what the engine has noted. */

import { clearInterval, setImmediate, setInterval } from 'node:timers';
import { inspect } from 'node:util';
import { MAX_KEY_BYTES, type NativeSegment } from './native.js';

/**
 * What happened. `touch`, `expire` and `evict` are not told to regions; `overflow`:
 * anything may have changed.
 */
export interface SegmentEvent {
  readonly kind: 'set' | 'increment' | 'touch' | 'delete' | 'expire' | 'evict' | 'clear' | 'overflow';
  /** For `clear` the prefix of what is gone; undefined for `overflow`. */
  readonly key: string | undefined;
  /** Whether this thread did it. */
  readonly local: boolean;
}

/** As the engine numbers them. */
const KINDS = [undefined, 'set', 'delete', 'increment', 'touch', 'expire', 'evict', 'clear', 'overflow'] as const;
const OVERFLOW: SegmentEvent = { kind: 'overflow', key: undefined, local: false };
/** Handed out per turn of the event loop: the binding gives no more at a time. */
const PER_TURN = 256;
/** A record: kind, origin, length and key. */
const MOST_BYTES = 4 + MAX_KEY_BYTES;

/** Who only listens would not notice that the file was replaced. */
const CHECK_MS = 1000;

/** What is needed of an attachment. */
interface Source {
  readonly native: NativeSegment;
  readonly scratch: Buffer;
  /** Attaches anew if the file was replaced. */
  checkFile(): void;
}

interface Entry {
  readonly prefix: string;
  readonly listener: (event: SegmentEvent) => void;
}

/** The subscriptions of one who shares the events with others, to end with it. */
export class Subscriptions {
  readonly #open = new Set<Disposable>();

  add(subscription: Disposable): Disposable {
    this.#open.add(subscription);
    return {
      [Symbol.dispose]: () => {
        if (this.#open.delete(subscription)) subscription[Symbol.dispose]();
      },
    };
  }

  close(): void {
    for (const subscription of this.#open) subscription[Symbol.dispose]();
    this.#open.clear();
  }
}

export class SegmentEvents {
  readonly #listeners = new Set<Entry>();
  readonly #segment: Source;
  #scheduled = false;
  #check: NodeJS.Timeout | undefined;

  constructor(segment: Source) {
    this.#segment = segment;
  }

  subscribe(prefix: string, listener: (event: SegmentEvent) => void): Disposable {
    const entry = { prefix, listener };
    if (this.#listeners.size === 0) {
      this.#segment.native.watchEvents(true);
      this.#check = setInterval(() => this.#segment.checkFile(), CHECK_MS).unref();
    }
    this.#listeners.add(entry);
    return {
      [Symbol.dispose]: () => {
        if (this.#listeners.delete(entry) && this.#listeners.size === 0) this.#stop();
      },
    };
  }

  /** There may be events. */
  wake(): void {
    if (this.#listeners.size > 0) this.#drain();
  }

  /** It is another segment: what happened to the old one in the meantime is not known. */
  reattached(): void {
    if (this.#listeners.size === 0) return;
    this.#segment.native.watchEvents(true);
    this.#tell(OVERFLOW);
  }

  close(): void {
    this.#listeners.clear();
    this.#stop();
  }

  #stop(): void {
    clearInterval(this.#check);
    this.#segment.native.watchEvents(false);
  }

  #drain(): void {
    const { native, scratch } = this.#segment;
    const count = native.drain();
    if (count < 0) return; // it is closed
    const [lost = 0, used = 0] = native.meta;
    // read before anybody is told: what listeners do uses the scratch buffer too
    const events = readEvents(scratch, count);
    if (count === PER_TURN || used + MOST_BYTES > scratch.length) this.#later();
    if (lost > 0) this.#tell(OVERFLOW);
    for (const event of events) this.#tell(event);
  }

  /** After what else waits for its turn; not a reason to stay alive. */
  #later(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.wake();
    }).unref();
  }

  /** A listener that throws must not harm the others. */
  #tell(event: SegmentEvent): void {
    for (const entry of [...this.#listeners]) {
      if (!concerns(event, entry.prefix) || !this.#listeners.has(entry)) continue;
      try {
        entry.listener(event);
      } catch (error) {
        process.emitWarning(`a listener of key events threw: ${inspect(error)}`, 'StockpileWarning');
      }
    }
  }
}

function concerns({ kind, key }: SegmentEvent, prefix: string): boolean {
  if (key === undefined) return true;
  return key.startsWith(prefix) || (kind === 'clear' && prefix.startsWith(key));
}

/** { u8 kind, u8 local, u16 bytes, key } after each other. */
function readEvents(bytes: Buffer, count: number): SegmentEvent[] {
  const events: SegmentEvent[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const kind = KINDS[bytes[at] as number];
    const begin = at + 4;
    at = begin + bytes.readUInt16LE(at + 2);
    if (kind === 'overflow') events.push(OVERFLOW);
    else if (kind !== undefined) {
      events.push({ kind, key: bytes.toString('utf8', begin, at), local: bytes[begin - 3] === 1 });
    }
  }
  return events;
}
