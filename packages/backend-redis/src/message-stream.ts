/**
 * SUBSCRIBE and what follows it, on a connection that ioredis has opened. In its own subscriber mode a damaged reply is
 * an exception that nobody can catch; here it ends the connection.
 */

import type { Duplex } from 'node:stream';

type Kind = 'subscribe' | 'psubscribe' | 'unsubscribe' | 'punsubscribe' | 'ping';
type Reply = string | number | Buffer | null | Error | readonly Reply[];

interface Asked {
  readonly kind: Kind;
  /** Replies that are still to come: one per name. */
  left: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Nothing that we send is longer, bytes: a length beyond it is damage. */
const LONGEST = 64 * 2 ** 20;
const CR = 0x0d;

export class MessageStream {
  readonly #asked: Asked[] = [];
  #unread: Buffer = Buffer.alloc(0);

  constructor(
    private readonly stream: Duplex,
    /** `name`: of the channel or the pattern that was subscribed to. */
    private readonly onMessage: (name: string, message: Buffer) => void,
  ) {
    stream.removeAllListeners('data');
    stream.on('data', (chunk: Buffer) => this.#read(chunk));
    stream.once('close', () => this.#fail(new Error('the connection was closed')));
  }

  /** Resolves when the server has confirmed each name. */
  send(kind: Kind, names: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.stream.destroyed) return reject(new Error('the connection was closed'));
      this.#asked.push({ kind, left: kind === 'ping' ? 1 : names.length, resolve, reject });
      const parts = [kind, ...names].map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
      this.stream.write(`*${parts.length}\r\n${parts.join('')}`);
    });
  }

  #read(chunk: Buffer): void {
    const bytes = this.#unread.length === 0 ? chunk : Buffer.concat([this.#unread, chunk]);
    let at = 0;
    try {
      for (;;) {
        const parsed = parse(bytes, at);
        if (parsed === undefined) break;
        at = parsed.end;
        this.#take(parsed.reply);
      }
      this.#unread = bytes.subarray(at);
    } catch (error) {
      this.#fail(error);
      this.stream.destroy();
    }
  }

  #take(reply: Reply): void {
    if (reply instanceof Error) {
      this.#asked.shift()?.reject(reply);
      return;
    }
    const [first, name, second, third] = Array.isArray(reply) ? (reply as readonly Reply[]) : [reply, null];
    const kind = String(first);
    if (kind !== 'message' && kind !== 'pmessage') {
      this.#confirmed(kind.toLowerCase().replace('pong', 'ping'));
      return;
    }
    const message = kind === 'pmessage' ? third : second;
    if (!Buffer.isBuffer(name) || !Buffer.isBuffer(message)) throw new Error('a damaged message');
    this.onMessage(name.toString(), message);
  }

  #confirmed(kind: string): void {
    const [first] = this.#asked;
    if (first?.kind !== kind) throw new Error(`an answer to '${kind}', which was not asked`);
    if (--first.left > 0) return;
    this.#asked.shift();
    first.resolve();
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#asked.splice(0)) reject(error);
  }
}

/** The reply that begins at `at`; undefined while it is not complete. Throws where it is damaged. */
function parse(bytes: Buffer, at: number): { readonly reply: Reply; readonly end: number } | undefined {
  const lineEnd = bytes.indexOf(CR, at);
  if (lineEnd < 0 || lineEnd + 1 >= bytes.length) {
    if (bytes.length - at > LONGEST) throw new Error('a line without an end');
    return undefined;
  }
  const type = String.fromCharCode(bytes[at] as number);
  const line = bytes.toString('utf8', at + 1, lineEnd);
  const end = lineEnd + 2;
  switch (type) {
    case '+':
      return { reply: line, end };
    case '-':
      return { reply: Object.assign(new Error(line), { name: 'ReplyError' }), end };
    case ':':
      return { reply: lengthOf(line), end };
    case '_':
      return { reply: null, end };
    case '$': {
      const size = lengthOf(line);
      if (size < 0) return { reply: null, end };
      if (bytes.length < end + size + 2) return undefined;
      if (bytes[end + size] !== CR) throw new Error('a damaged length');
      return { reply: bytes.subarray(end, end + size), end: end + size + 2 };
    }
    case '*':
    case '>':
      return parseList(bytes, end, lengthOf(line));
    default:
      throw new Error(`a reply of unknown type '${type}'`);
  }
}

function parseList(bytes: Buffer, start: number, count: number): ReturnType<typeof parse> {
  const list: Reply[] = [];
  let end = start;
  for (let i = 0; i < count; i++) {
    const parsed = parse(bytes, end);
    if (parsed === undefined) return undefined;
    list.push(parsed.reply);
    end = parsed.end;
  }
  return { reply: list, end };
}

function lengthOf(line: string): number {
  const length = Number(line);
  if (!/^-?\d+$/.test(line) || length > LONGEST) throw new Error(`a damaged length '${line}'`);
  return length;
}
