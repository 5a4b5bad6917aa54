/**
 * Passwords for memcached's SASL without touching the system. Builds of memcached that compare with a file of their own
 * (`--enable-sasl-pwdb`) are rare, Debian's is none, and the database of Cyrus SASL wants its tools. But Cyrus SASL also
 * asks a password server on a unix socket, saslauthd, wherever its configuration says; this is one, of one user.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './at-exit.js';

export interface User {
  readonly user: string;
  readonly password: string;
}

export interface PasswordServer {
  /** For the environment of memcached. */
  readonly env: Record<string, string>;
  close(): void;
}

export async function startPasswordServer(known: User): Promise<PasswordServer> {
  const folder = mkdtempSync(join(tmpdir(), 'stockpile-'));
  const path = join(folder, 'mux');
  const config = ['mech_list: plain', 'pwcheck_method: saslauthd', `saslauthd_path: ${path}`, 'log_level: 0'];
  writeFileSync(join(folder, 'memcached.conf'), `${config.join('\n')}\n`, { mode: 0o600 });
  const server = createServer((socket) => answer(socket, known));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  server.unref();
  const forget = atExit(() => rmSync(folder, { recursive: true, force: true }));
  return {
    env: { SASL_CONF_PATH: folder },
    close() {
      server.close();
      rmSync(folder, { recursive: true, force: true });
      forget();
    },
  };
}

/** A request is user, password, service and realm, each behind its length in two bytes; the answer is one such string. */
function answer(socket: Socket, { user, password }: User): void {
  let received = Buffer.alloc(0);
  socket.on('error', () => {}); // memcached may be killed while it asks
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const strings = countedStrings(received);
    if (strings.length < 4) return;
    const verdict = strings[0] === user && strings[1] === password ? 'OK' : 'NO';
    socket.end(Buffer.from([0, verdict.length, ...Buffer.from(verdict)]));
  });
}

/** Those that are complete. */
function countedStrings(bytes: Buffer): string[] {
  const strings: string[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const end = at + 2 + bytes.readUInt16BE(at);
    if (end > bytes.length) break;
    strings.push(bytes.toString('utf8', at + 2, end));
    at = end;
  }
  return strings;
}
