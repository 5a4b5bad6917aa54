/**
 * What a Redis server sends (RESP2, and what RESP3 adds to messages), read strictly: where a length is damaged, what follows would be taken for the
 * answers of others. Whatever is not exactly as it has to be is an error, after which nothing more is to be read.
 */

export type Reply = Buffer | number | null | Error | readonly Reply[];

/** Nothing is longer, bytes: a length beyond it is damage. */
const LONGEST = 512 * 2 ** 20;
const LONGEST_LINE = 64 * 1024;
const MOST_ELEMENTS = 2 ** 20;
const CR = 0x0d;
const LF = 0x0a;
const [SIMPLE, ERROR, INTEGER, BULK, LIST, PUSH, NULL] = Buffer.from('+-:$*>_');

interface List {
  readonly replies: Reply[];
  left: number;
}

export class ReplyParser {
  /** Of the reply, or of the element of a list, that is not complete. */
  #unread: Buffer[] = [];
  /** How many bytes it lacks at least. */
  #missing = 0;
  /** Those that are not complete, each within the one before. */
  readonly #lists: List[] = [];

  /** Bytes of a reply have come, and not all. */
  get isWithin(): boolean {
    return this.#unread.length > 0 || this.#lists.length > 0;
  }

  /** Hands over each reply that is complete. @throws Error where the bytes are damaged. */
  write(chunk: Buffer, onReply: (reply: Reply) => void): void {
    this.#unread.push(chunk);
    this.#missing -= chunk.length;
    if (this.#missing > 0) return;
    const bytes = this.#unread.length === 1 ? chunk : Buffer.concat(this.#unread);
    this.#unread = [];
    let at = 0;
    while (at < bytes.length) {
      const next = this.#read(bytes, at, onReply);
      if (next === undefined) {
        this.#unread.push(bytes.subarray(at));
        return;
      }
      at = next;
    }
  }

  /** What begins at `at`; answers with where it ends, or undefined where that is not there yet. */
  #read(bytes: Buffer, at: number, onReply: (reply: Reply) => void): number | undefined {
    const lineEnd = bytes.indexOf(CR, at);
    if (lineEnd < 0 || lineEnd + 1 === bytes.length) {
      if (bytes.length - at > LONGEST_LINE) throw new Error('a damaged reply: a line without an end');
      this.#missing = 1;
      return undefined;
    }
    if (bytes[lineEnd + 1] !== LF) throw new Error('a damaged reply: a line ends wrongly');
    const start = lineEnd + 2;
    switch (bytes[at]) {
      case BULK: {
        const size = integerOf(bytes, at + 1, lineEnd);
        if (size === -1) return this.#complete(null, start, onReply);
        if (size < 0 || size > LONGEST) throw new Error(`a damaged reply: ${size} bytes`);
        const end = start + size;
        if (bytes.length < end + 2) {
          this.#missing = end + 2 - bytes.length;
          return undefined;
        }
        if (bytes[end] !== CR || bytes[end + 1] !== LF)
          throw new Error('a damaged reply: it is not as long as it says');
        return this.#complete(bytes.subarray(start, end), end + 2, onReply);
      }
      case INTEGER:
        return this.#complete(integerOf(bytes, at + 1, lineEnd), start, onReply);
      case SIMPLE:
        return this.#complete(bytes.subarray(at + 1, lineEnd), start, onReply);
      case ERROR:
        return this.#complete(errorOf(bytes.toString('utf8', at + 1, lineEnd)), start, onReply);
      case NULL:
        return this.#complete(null, start, onReply);
      case LIST:
      case PUSH: {
        const left = integerOf(bytes, at + 1, lineEnd);
        if (left === -1) return this.#complete(null, start, onReply);
        if (left < 0 || left > MOST_ELEMENTS) throw new Error(`a damaged reply: ${left} elements`);
        if (left === 0) return this.#complete([], start, onReply);
        this.#lists.push({ replies: [], left });
        return start;
      }
      default:
        throw new Error(`a damaged reply: of unknown type 0x${bytes[at]?.toString(16)}`);
    }
  }

  #complete(reply: Reply, end: number, onReply: (reply: Reply) => void): number {
    let whole = reply;
    for (;;) {
      const list = this.#lists.at(-1);
      if (list === undefined) break;
      list.replies.push(whole);
      if (--list.left > 0) return end;
      this.#lists.pop();
      whole = list.replies;
    }
    onReply(whole);
    return end;
  }
}

const MINUS = 0x2d;
/** Of what a double holds exactly. */
const MOST_DIGITS = 15;

function integerOf(bytes: Buffer, start: number, end: number): number {
  const first = bytes[start] === MINUS ? start + 1 : start;
  let number = 0;
  for (let i = first; i < end; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) throw new Error('a damaged reply: no number where one has to be');
    number = number * 10 + digit;
  }
  if (end === first || end - first > MOST_DIGITS) throw new Error('a damaged reply: no number where one has to be');
  return first === start ? number : -number;
}

/** As ioredis names them. */
function errorOf(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' });
}
