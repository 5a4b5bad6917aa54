/** Compiles a harness together with the sources of the engine. What was compiled once from the same bytes is kept. */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ENGINE = fileURLToPath(new URL('../../packages/backend-shm/native', import.meta.url));
const HARNESSES = fileURLToPath(new URL('../native', import.meta.url));
const BUILD = fileURLToPath(new URL('../build', import.meta.url));

/** How the code is watched. */
export type Watch = 'none' | 'address' | 'thread';

const FLAGS: Record<Watch, readonly string[]> = {
  none: ['-O2', '-g1'],
  address: ['-O1', '-g1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'],
  thread: ['-O1', '-g1', '-fsanitize=thread'],
};
const COMMON = ['-std=c++20', '-pthread', '-Wall', '-Wextra', '-DSTOCKPILE_KILL_POINTS', '-DSTOCKPILE_TEST_CLOCK'];
/** Every harness is linked with these. */
const SHARED = ['lab.cc', 'audit.cc'];
const PROCESSES = 2;

/** The compiler lacks what this harness needs, or there is none. */
export class CannotCompile extends Error {}

/** The path of the program. `sources` are files of lab/native. */
export async function compile(sources: readonly string[], watch: Watch): Promise<string> {
  const { command, version } = await findCompiler();
  const folder = join(BUILD, watch);
  mkdirSync(folder, { recursive: true });
  const flags = [...COMMON, ...FLAGS[watch]];
  const headers = [...filesOf(ENGINE, /\.(h|inc)$/), ...filesOf(HARNESSES, /\.h$/)];
  const common = hash([version, ...command, ...flags, ...headers.flatMap((path) => [path, readFileSync(path)])]);
  const units = [...engineSources(), ...[...SHARED, ...sources].map((name) => join(HARNESSES, name))].map((source) => {
    const name = basename(source, '.cc');
    return { source, name, object: join(folder, `${name}-${hash([common, readFileSync(source)])}.o`) };
  });
  const program = join(
    folder,
    `${basename(sources[0] ?? '', '.cc')}-${hash([common, ...units.map(({ object }) => object)])}`,
  );
  if (existsSync(program)) return program;

  await sanitizerWorks(command, folder, watch);
  const missing = units.filter(({ object }) => !existsSync(object));
  const compileAll = async (): Promise<void> => {
    for (let unit = missing.shift(); unit !== undefined; unit = missing.shift()) {
      removeFormer(folder, unit.name, '.o');
      await make(command, [...flags, '-I', ENGINE, '-I', HARNESSES, '-c', unit.source], unit.object);
    }
  };
  await Promise.all(Array.from({ length: PROCESSES }, compileAll));
  removeFormer(folder, basename(sources[0] ?? '', '.cc'), '');
  await make(command, [...flags, ...units.map(({ object }) => object)], program);
  return program;
}

/** Those that know Node-API are not the engine. */
function engineSources(): string[] {
  const knows = (path: string): boolean => {
    const text = readFileSync(path, 'utf8');
    if (text.includes('<node_api.h>')) return true;
    const included = [...text.matchAll(/#include "([\w.-]+\.h)"/g)].map(([, name]) => join(ENGINE, name as string));
    return included.some((header) => existsSync(header) && knows(header));
  };
  return filesOf(ENGINE, /\.cc$/).filter((path) => !knows(path));
}

async function findCompiler(): Promise<{ command: string[]; version: string }> {
  const named = (process.env.CXX ?? '').split(' ').filter((word) => word !== '');
  for (const command of named.length > 0 ? [named] : [['g++'], ['c++'], ['clang++']]) {
    const asked = await call(command, ['--version']).catch(() => undefined);
    if (asked?.code === 0) return { command, version: asked.output.split('\n', 1)[0] ?? '' };
  }
  throw new CannotCompile(named.length > 0 ? `$CXX does not run: ${process.env.CXX}` : 'there is no C++ compiler');
}

async function sanitizerWorks(command: readonly string[], folder: string, watch: Watch): Promise<void> {
  if (watch === 'none') return;
  const probe = join(folder, 'probe');
  const { code } = await call(command, [...FLAGS[watch], '-x', 'c++', '-', '-o', probe], 'int main() { return 0; }\n');
  if (code !== 0) throw new CannotCompile(`the compiler has no -fsanitize=${watch}`);
}

async function make(command: readonly string[], args: readonly string[], output: string): Promise<void> {
  // under another name until it is whole: another run may look for it
  const temporary = `${output}.${process.pid}`;
  const { code, output: said } = await call(command, [...args, '-o', temporary]);
  if (code !== 0) {
    const first = said.split('\n').slice(0, 30).join('\n');
    throw new Error(`${command.join(' ')} ${args.join(' ')}\n${first}`);
  }
  renameSync(temporary, output);
}

function removeFormer(folder: string, name: string, ending: string): void {
  const former = new RegExp(`^${name}-[0-9a-f]{16}${ending.replace('.', '\\.')}$`);
  for (const file of readdirSync(folder)) if (former.test(file)) rmSync(join(folder, file), { force: true });
}

function call(
  command: readonly string[],
  args: readonly string[],
  input?: string,
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const [program = '', ...first] = command;
    const child = spawn(program, [...first, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.on('error', reject).on('close', (code) => resolve({ code: code ?? 1, output }));
    child.stdin.end(input);
  });
}

function filesOf(folder: string, names: RegExp): string[] {
  const files = readdirSync(folder).filter((name) => names.test(name));
  return files.sort().map((name) => join(folder, name));
}

function hash(parts: readonly (string | Buffer)[]): string {
  const all = createHash('sha256');
  for (const part of parts) all.update(`${part.length}:`).update(part);
  return all.digest('hex').slice(0, 16);
}
