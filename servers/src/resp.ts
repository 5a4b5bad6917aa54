/** Sends single commands to a Redis server: enough to see that it is ready, and to form clusters. */

import { createConnection } from 'node:net';

export type Reply = string | number | null | readonly Reply[];

/** The server answered with an error. */
export class RedisReplyError extends Error {}

const ANSWER_MS = 2000;

/**
 * One command over a connection of its own to the unix socket at `path`.
 * @throws RedisReplyError, or what the socket says; Error after two seconds without an answer.
 */
export function ask(path: string, ...words: readonly (string | number)[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let received = '';
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      settle();
    };
    const fail = (error: Error): void => end(() => reject(error));
    const timer = setTimeout(() => fail(new Error(`no answer to ${words[0]} within ${ANSWER_MS} ms`)), ANSWER_MS);
    socket.setEncoding('latin1').once('error', fail);
    socket.once('close', () => fail(new Error(`the connection was closed before the answer to ${words[0]}`)));
    socket.on('data', (chunk: string) => {
      received += chunk;
      const parsed = parse(received, 0);
      if (parsed === undefined) return;
      const { reply } = parsed;
      end(() => (reply instanceof Error ? reject(reply) : resolve(reply)));
    });
    socket.write(
      `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(`${word}`)}\r\n${word}\r\n`).join('')}`,
    );
  });
}

interface Parsed {
  readonly reply: Reply | RedisReplyError;
  /** Index of what follows. */
  readonly end: number;
}

/** The RESP2 reply at index `from`; undefined where it is not complete. */
function parse(text: string, from: number): Parsed | undefined {
  const lineEnd = text.indexOf('\r\n', from);
  if (lineEnd < 0) return undefined;
  const [type, line, end] = [text[from], text.slice(from + 1, lineEnd), lineEnd + 2];
  if (type === '+') return { reply: line, end };
  if (type === '-') return { reply: new RedisReplyError(line), end };
  if (type === ':') return { reply: Number(line), end };
  const length = Number(line);
  if (length < 0) return { reply: null, end };
  if (type === '$') {
    const after = end + length + 2;
    return text.length < after ? undefined : { reply: text.slice(end, end + length), end: after };
  }
  if (type === '*') return parseArray(text, end, length);
  throw new Error(`this is no reply of Redis: ${JSON.stringify(text.slice(from, from + 40))}`);
}

function parseArray(text: string, from: number, length: number): Parsed | undefined {
  const replies: Reply[] = [];
  let end = from;
  for (let i = 0; i < length; i++) {
    const item = parse(text, end);
    if (item === undefined) return undefined;
    if (item.reply instanceof RedisReplyError) return item;
    replies.push(item.reply);
    end = item.end;
  }
  return { reply: replies, end };
}
