/** What an experiment has made: directories, mounts, processes. All of it is gone when the scene ends. */

import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child, type StartOptions } from './children.js';

export class Scene implements AsyncDisposable {
  readonly #directories: string[] = [];
  readonly #mounts: string[] = [];
  readonly #children: Child[] = [];
  #last: string | undefined;
  /** When the lab ends before the scene does. */
  readonly #abandon = (): void => {
    for (const child of this.#children) if (child.isAlive) child.signal('SIGKILL');
    this.#remove();
  };

  constructor() {
    process.once('exit', this.#abandon);
  }

  /** A directory on a tmpfs for segments: where they are is `<dir>/stockpile-<uid>`. */
  get dir(): string {
    this.#last ??= this.makeDirectory();
    return this.#last;
  }

  /** A new one; with `onDisk`, on the file system of temporary files. */
  makeDirectory({ onDisk = false } = {}): string {
    const base = onDisk || !existsSync('/dev/shm') ? tmpdir() : '/dev/shm';
    const made = mkdtempSync(join(base, 'stockpile-lab-'));
    chmodSync(made, 0o755);
    this.#directories.push(made);
    return made;
  }

  /** A file system in memory with a size of its own; undefined where that is not allowed. */
  mountTmpfs(size: string): string | undefined {
    const at = this.makeDirectory({ onDisk: true });
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=755`, 'stockpile-lab', at], { stdio: 'ignore' });
    } catch {
      return undefined;
    }
    this.#mounts.push(at);
    return at;
  }

  async start(script: string, options?: StartOptions): Promise<Child> {
    const child = await Child.start(script, { ...options, wait: false });
    this.#children.push(child);
    if (options?.wait !== false) await child.event('ready');
    return child;
  }

  startMany(count: number, script: string, options?: StartOptions): Promise<Child[]> {
    return Promise.all(Array.from({ length: count }, () => this.start(script, options)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) if (child.isAlive) child.signal('SIGCONT');
    await Promise.all(this.#children.map((child) => child.kill()));
    process.removeListener('exit', this.#abandon);
    this.#remove();
  }

  #remove(): void {
    for (const mount of this.#mounts) execFileSync('umount', [mount], { stdio: 'ignore' });
    for (const directory of this.#directories) rmSync(directory, { recursive: true, force: true });
  }
}

/** What is in this user's directory of segments below `dir`. */
export function segmentFiles(dir: string): string[] {
  const own = ownDirectory(dir);
  return existsSync(own) ? readdirSync(own).sort() : [];
}

export function ownDirectory(dir: string, uid: number = process.geteuid?.() ?? 0): string {
  return join(dir, `stockpile-${uid}`);
}

export function segmentPath(dir: string, name: string): string {
  return join(ownDirectory(dir), `${name}.v1.${process.arch}`);
}

/** Until `holds`, looked at every few ms: for what no process tells. False: not within `patience` ms. */
export async function until(holds: () => boolean, patience: number): Promise<boolean> {
  const end = performance.now() + patience;
  while (!holds()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return true;
}
