/** What a real server holds, asked in its plain-text protocol: without any code that the demo uses. */

import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** All keys in database 0, sorted. */
export async function keysOfRedis(port: number, password: string): Promise<string[]> {
  const text = await converse(port, `AUTH ${password}\r\nKEYS *\r\nQUIT\r\n`);
  return [...text.matchAll(/\$\d+\r\n(.*)\r\n/g)].map((match) => match[1] as string).sort();
}

export async function setInRedis(port: number, password: string, key: string): Promise<void> {
  await converse(port, `AUTH ${password}\r\nSET ${key} 1\r\nQUIT\r\n`);
}

/** All keys, sorted. For a server that is at rest: the list alone may lack what is being moved. */
export async function keysOfMemcached(port: number): Promise<string[]> {
  for (;;) {
    const text = await converse(port, 'lru_crawler metadump all\r\n', 'END\r\n');
    const keys = [...text.matchAll(/^key=(\S+)/gm)].map((match) => decodeURIComponent(match[1] as string));
    if (keys.length === (await countInMemcached(port))) return keys.sort();
    await sleep(10);
  }
}

export async function countInMemcached(port: number): Promise<number> {
  return Number(/^STAT curr_items (\d+)/m.exec(await converse(port, 'stats\r\n', 'END\r\n'))?.[1]);
}

export async function setInMemcached(port: number, key: string): Promise<void> {
  await converse(port, `set ${key} 0 0 1\r\n1\r\nquit\r\n`);
}

/** What it says until it closes the connection, or until `last`. */
function converse(port: number, text: string, last?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    const socket = createConnection(port, '127.0.0.1', () => socket.write(text));
    socket.setEncoding('utf8').on('data', (chunk) => {
      said += chunk;
      if (last !== undefined && said.endsWith(last)) socket.end();
    });
    socket.once('error', reject).once('close', () => resolve(said));
  });
}
