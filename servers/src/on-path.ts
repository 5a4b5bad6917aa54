/** Finds programs on the PATH. */

import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** This machine lacks a server that is needed. */
export class ServerMissingError extends Error {
  override readonly name = 'ServerMissingError';
}

/** The path of a program; undefined where there is none. */
export function onPath(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // the next one
    }
  }
  return undefined;
}

/** Of those servers that are installed, by the name of the program. */
export function serverVersions(): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const name of ['redis-server', 'memcached']) {
    const path = onPath(name);
    const said = path === undefined ? '' : spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout;
    const version = /\d+\.\d+\.\d+/.exec(said)?.[0];
    if (version !== undefined) versions[name] = version;
  }
  return versions;
}
