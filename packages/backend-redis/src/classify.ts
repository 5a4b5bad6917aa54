/** From what ioredis rejects with to the error that users see. */

import { BackendUnavailableError, StockpileError } from '@stockpile/core';

/** What to do about replies that say that the server cannot serve; by their first word. */
const REMEDIES: Readonly<Record<string, string>> = {
  NOAUTH: "the server wants a password: give 'password' (and 'username')",
  WRONGPASS: "the server refuses 'username' or 'password'",
  NOPERM: 'the user may not do this: docs/redis.md lists the commands, keys and channels that its ACL must allow',
  READONLY: 'this server is a replica; where roles change, connect through sentinels or as a cluster',
  OOM: "the server's memory is full: raise its maxmemory, or set maxmemory-policy to allkeys-lru",
  MISCONF: 'the server refuses writes since it cannot save to disk: see its log, or set stop-writes-on-bgsave-error no',
  LOADING: 'the server still reads its data from disk',
  MASTERDOWN: 'this replica has lost its master',
  NOREPLICAS: 'the server has too few replicas to accept writes',
  CLUSTERDOWN: 'the cluster has slots that no node serves: see CLUSTER INFO',
  MOVED: 'the keys belong to another node: is this a cluster? then give its nodes as cluster',
  ASK: 'its slot is being moved to another node',
  TRYAGAIN: 'its slot is being moved to another node',
  CROSSSLOT: 'this is a cluster: give its nodes as cluster',
  NOPROTO: 'the server does not speak this protocol; Redis 6.2 or later is needed',
};

/** Replies that say that this connection is of no more use. */
const LEAVE = new Set(['READONLY', 'MASTERDOWN', 'NOAUTH']);

/** The first word of an error reply. */
export function replyCode(error: unknown): string | undefined {
  return error instanceof Error && error.name === 'ReplyError' ? error.message.split(' ', 1)[0] : undefined;
}

export function isReply(error: unknown, code: string): boolean {
  return replyCode(error) === code;
}

/** Whether the connection is to be made anew: the server is another one than it was, or does not know us. */
export function spoilsConnection(error: unknown): boolean {
  const code = replyCode(error);
  return code !== undefined && LEAVE.has(code);
}

/** `server`: for messages. */
export function classify(error: unknown, server: string): StockpileError {
  if (error instanceof StockpileError) return error;
  const { message, cause } = reasonOf(error, server);
  return new BackendUnavailableError(`backend 'redis', ${server}: ${message}`, { cause });
}

/** What has gone wrong and what to do about it, without the name of the server. */
export function reasonOf(error: unknown, server: string): BackendUnavailableError {
  const code = replyCode(error);
  const said = (error instanceof Error ? error.message : String(error)).replace(` ${server}`, '').replace(/[. ]+$/, '');
  let remedy = code === undefined ? undefined : REMEDIES[code];
  if (/unknown command|syntax error/i.test(said)) remedy = 'Redis 6.2 or later is needed';
  if (/DB index|invalid DB/i.test(said)) remedy = "the server has no such database: see 'db'";
  if (/called without any password/i.test(said)) remedy = "the server has no password: leave 'password' out";
  if (/cluster support disabled/i.test(said)) remedy = "the server is no node of a cluster: give it as 'url'";
  if (/unknown command.*sentinel/i.test(said)) remedy = 'this is no sentinel, whose port is mostly 26379';
  if (/wrong version number|packet length too long/i.test(said)) remedy = 'the server does not seem to speak TLS';
  if (/self.signed|unable to (?:verify|get)/i.test(said)) remedy = "give the authority's certificate: tls: { ca }";
  return new BackendUnavailableError(`${said}${remedy === undefined ? '' : `; ${remedy}`}`, {
    cause: withoutArguments(error),
  });
}

/** The same once more: of those who share a call each gets an error of its own. */
export function another(error: unknown): unknown {
  if (!(error instanceof StockpileError)) return error;
  const { message, cause } = error;
  const Kind = error.constructor as typeof StockpileError;
  return new Kind(message, cause === undefined ? {} : { cause });
}

/** ioredis notes the command with its arguments in its errors: passwords and values have no place there. */
function withoutArguments(error: unknown): unknown {
  if (!(error instanceof Error && 'command' in error)) return error;
  const { command } = error;
  const name = typeof command === 'object' && command !== null && 'name' in command ? command.name : undefined;
  error.command = { name };
  return error;
}
